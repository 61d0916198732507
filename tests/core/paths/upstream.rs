//! Models of upstreams that read paths each in their own way, and of the rules that they are under.

use cognito_authorizer::rules::pattern::{Match, PathCase, PathPattern};

/// A rule, kept in a form in which it can be compared without the code under test.
#[derive(Debug)]
pub(crate) struct ModelRule {
    /// `None` is a variable.
    pub(crate) segments: Vec<Option<String>>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Exact,
    Prefix,
    Template,
    Greedy,
}

pub(crate) const NAMES: [&str; 9] = ["a", "b", "A", "admin", "Admin", "a!b", "é", "straße", "x y"];
const VARIABLES: [&str; 4] = ["p", "q", "r", "s"];

impl ModelRule {
    /// The rule as the filter has it.
    pub(crate) fn compile(&self) -> Match {
        let mut path = String::new();
        for (segment, variable) in self.segments.iter().zip(VARIABLES) {
            match segment {
                Some(text) => path.push_str(&format!("/{text}")),
                None => path.push_str(&format!("/{{{variable}}}")),
            }
        }
        if self.kind == Kind::Greedy {
            path.push_str("/{rest+}");
        }
        let path = if path.is_empty() { "/" } else { &path };
        let path = match self.kind {
            Kind::Exact => PathPattern::exact(path),
            Kind::Prefix => PathPattern::prefix(path),
            Kind::Template | Kind::Greedy => PathPattern::template(path),
        };
        Match {
            path: path.unwrap(),
            methods: Vec::new(),
            hosts: Vec::new(),
        }
    }

    /// Whether an upstream that looks for these segments is under the rule.
    pub(crate) fn matches(&self, served: &[String], letters: PathCase) -> bool {
        let (wanted, found) = (self.segments.len(), served.len());
        let long_enough = match self.kind {
            Kind::Exact | Kind::Template => found == wanted,
            Kind::Prefix => found >= wanted,
            Kind::Greedy => found > wanted,
        };
        let same = |text: &str, served: &str| match letters {
            PathCase::Sensitive => text == served,
            PathCase::Insensitive => text.to_uppercase() == served.to_uppercase(),
        };
        let mut pairs = self.segments.iter().zip(served);
        let fits = |(text, served): (&Option<String>, &String)| match text {
            Some(text) => same(text, served),
            None => !served.is_empty(),
        };
        long_enough && pairs.all(fits)
    }
}

/// What servers do to a path before they look for what it names, in whatever order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Decode,
    MergeSlashes,
    RemoveDots,
    StripParameters,
    StripLastParameters,
    StripParametersOfNames,
    BackslashIsSlash,
    Trim,
    CutAtNul,
    CutAtDelimiters,
    CutAtFragment,
    TakeAuthorityOff,
}

pub(crate) const STEPS: [Step; 12] = [
    Step::Decode,
    Step::MergeSlashes,
    Step::RemoveDots,
    Step::StripParameters,
    Step::StripLastParameters,
    Step::StripParametersOfNames,
    Step::BackslashIsSlash,
    Step::Trim,
    Step::CutAtNul,
    Step::CutAtDelimiters,
    Step::CutAtFragment,
    Step::TakeAuthorityOff,
];

fn decode(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let digits = path
            .get(at + 1..at + 3)
            .and_then(|d| std::str::from_utf8(d).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match value {
            Some(value) if path[at] == b'%' => {
                decoded.push(value);
                at += 3;
            }
            _ => {
                decoded.push(path[at]);
                at += 1;
            }
        }
    }
    decoded
}

fn per_segment(path: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let segments: Vec<_> = path.split(|b| *b == b'/').map(change).collect();
    segments.join(&b'/')
}

fn bare(segment: &[u8]) -> Vec<u8> {
    segment.split(|b| *b == b';').next().unwrap().to_vec()
}

fn apply(step: Step, path: &[u8]) -> Vec<u8> {
    match step {
        Step::Decode => decode(path),
        Step::MergeSlashes => {
            let mut merged = path.to_vec();
            merged.dedup_by(|one, other| *one == b'/' && *other == b'/');
            merged
        }
        Step::RemoveDots => {
            let mut kept: Vec<&[u8]> = Vec::new();
            for segment in path.split(|b| *b == b'/').skip(1) {
                match segment {
                    b"." => {}
                    b".." => {
                        kept.pop();
                    }
                    _ => kept.push(segment),
                }
            }
            [&b"/"[..], &kept.join(&b'/')].concat()
        }
        Step::StripParameters => per_segment(path, bare),
        Step::StripLastParameters => {
            let cut = path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
            [&path[..cut], &bare(&path[cut..])].concat()
        }
        Step::StripParametersOfNames => per_segment(path, |segment| match bare(segment) {
            name if name.is_empty() => segment.to_vec(),
            name => name,
        }),
        Step::BackslashIsSlash => path
            .iter()
            .map(|b| if *b == b'\\' { b'/' } else { *b })
            .collect(),
        Step::Trim => per_segment(path, |segment| segment.trim_ascii().to_vec()),
        Step::CutAtNul => path.split(|b| *b == 0).next().unwrap().to_vec(),
        Step::CutAtDelimiters => {
            let cut = path.split(|b| matches!(b, b'?' | b'#')).next();
            cut.unwrap().to_vec()
        }
        Step::CutAtFragment => path.split(|b| *b == b'#').next().unwrap().to_vec(),
        Step::TakeAuthorityOff => match path.strip_prefix(b"//") {
            None => path.to_vec(),
            Some(after) => {
                let slashes = after.iter().take_while(|b| **b == b'/').count();
                let after = &after[slashes..];
                let end = after.iter().position(|b| *b == b'/');
                end.map_or(b"/".to_vec(), |end| after[end..].to_vec())
            }
        },
    }
}

/// What is left of a path after these steps.
fn after(target: &[u8], steps: &[Step]) -> Vec<u8> {
    let mut path = target
        .split(|b| matches!(b, b'?' | b'#'))
        .next()
        .unwrap()
        .to_vec();
    for (at, step) in steps.iter().enumerate() {
        // A target is read as a URL once.
        if *step != Step::TakeAuthorityOff || !steps[..at].contains(step) {
            path = apply(*step, &path);
        }
    }
    path
}

/// The text that an upstream that takes these steps looks at.
#[allow(dead_code, reason = "the fuzz targets ask about segments alone")]
pub(crate) fn text(target: &[u8], steps: &[Step]) -> String {
    String::from_utf8_lossy(&after(target, steps)).into_owned()
}

/// What an upstream that takes these steps looks for, and nothing left to decode.
pub(crate) fn served(target: &[u8], steps: &[Step]) -> Vec<String> {
    let path = after(target, steps);
    let mut segments: Vec<_> = path.split(|b| *b == b'/').skip(1).collect();
    segments.pop_if(|last| last.is_empty());
    let segments = segments.into_iter();
    segments
        .map(|segment| String::from_utf8_lossy(&decode(segment)).into_owned())
        .collect()
}
