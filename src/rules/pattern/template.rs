//! `template` rules, and what their variables stand for in a request.
//!
//! A value is compared with claims, so that a path can be a user's own. The value that counts is
//! the one that the upstream reads out of the same path: where upstreams read several, none of them
//! counts.

use super::super::path::RequestPath;
use super::literal::read_segments;
use super::{InvalidPattern, LiteralSegment, Piece, Shape, Tail, wildcard};
use crate::header::HeaderName;
use std::fmt;
use std::sync::Arc;

/// A path with variables: `/users/{userId}`, `/files/{path+}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
    /// The name in `{name+}`, if the template ends in one.
    rest: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(LiteralSegment),
    Variable(Arc<str>),
}

/// What one segment of a template says, as it is spelled.
enum Spelled<'t> {
    Literal,
    Variable(&'t str),
    Greedy(&'t str),
}

impl Template {
    /// Reads a template: `{name}` is one segment, `{name+}` the rest of the path, at least one.
    ///
    /// # Errors
    /// A variable is not well formed, or no safe request could have such a path.
    pub fn new(template: &str) -> Result<Self, InvalidPattern> {
        // First, since `{proxy*}` would otherwise be a bad name of a variable, and the advice of no
        // use.
        wildcard::check(template)?;
        let spelled = template
            .trim_end_matches('/')
            .split('/')
            .skip(1)
            .map(spelled)
            .collect::<Result<Vec<_>, _>>()?;
        // A variable's name has no character that a path refuses, so the whole is read as a path. The
        // two lists have a segment each for each other: what is no literal is read for its faults alone.
        let literals = read_segments(template)?;

        let mut read = Self {
            segments: Vec::with_capacity(literals.len()),
            rest: None,
        };
        for (spelled, literal) in spelled.into_iter().zip(literals) {
            // API Gateway has the same limit. Behind a rest of any length no segment has a place of
            // its own, from which its value could be told.
            if let Some(name) = &read.rest {
                return Err(InvalidPattern::GreedyNotLast(format!("{{{name}+}}")));
            }
            if let Spelled::Variable(name) | Spelled::Greedy(name) = spelled
                && read.variables().any(|known| known == name)
            {
                return Err(InvalidPattern::RepeatedVariable(name.to_owned()));
            }
            match spelled {
                Spelled::Literal => read.segments.push(Segment::Literal(literal)),
                Spelled::Variable(name) => read.segments.push(Segment::Variable(name.into())),
                Spelled::Greedy(name) => read.rest = Some(name.into()),
            }
        }
        Ok(read)
    }

    /// The names of the variables, from left to right.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let named = self.segments.iter().filter_map(|segment| match segment {
            Segment::Variable(name) => Some(&**name),
            Segment::Literal(_) => None,
        });
        named.chain(self.rest.as_deref())
    }

    /// What each segment of a path must be, from left to right, but for those that `{name+}` stands
    /// for.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.segments.iter().map(|segment| match segment {
            Segment::Literal(literal) => Piece::Literal(literal),
            Segment::Variable(_) => Piece::Variable,
        })
    }

    pub(super) fn shape(&self) -> Shape<'_> {
        Shape {
            pieces: self.pieces().collect(),
            tail: match self.rest {
                Some(_) => Tail::OneOrMore,
                None => Tail::End,
            },
        }
    }

    /// What the variables stand for in a path that matches. For each segment of the template, and
    /// for the rest, it is told whether readings disagree about what it is; none told, they agree.
    pub(in super::super) fn capture(&self, path: &RequestPath<'_>, differs: &[bool]) -> Variables {
        // Found out by the index, which has walked all readings.
        let differs = |at: usize| differs.get(at).copied().unwrap_or(false);
        let mut captured = Vec::new();
        let mut rest = path.decoded_segments();
        let named = self.segments.iter().enumerate();
        // Empty segments match no piece, as in the literal reading.
        for ((at, segment), value) in named.zip(rest.by_ref().filter(|text| !text.is_empty())) {
            if let Segment::Variable(name) = segment {
                let value = match differs(at) {
                    true => Value::Differs,
                    false => Value::of(&value),
                };
                captured.push((Arc::clone(name), value));
            }
        }
        if let Some(name) = &self.rest {
            let mut segments: Vec<_> = rest.collect();
            // A trailing slash belongs to no value.
            segments.pop_if(|last| last.is_empty());
            let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
            let value = segments.join("/");
            let value = match differs(self.segments.len()) || differs_within(&value) {
                true => Value::Differs,
                false => Value::of(&value),
            };
            captured.push((Arc::clone(name), value));
        }
        Variables {
            named: captured,
            headers: Vec::new(),
        }
    }
}

/// As it was written, but for the spelling of escapes and a trailing slash.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => write!(f, "/{}", literal.literal())?,
                Segment::Variable(name) => write!(f, "/{{{name}}}")?,
            }
        }
        match &self.rest {
            Some(name) => write!(f, "/{{{name}+}}"),
            None if self.segments.is_empty() => f.write_str("/"),
            None => Ok(()),
        }
    }
}

/// What one request has in place of what a rule names: of the variables of its template, percent-decoded,
/// of those of its hosts, and of headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    named: Vec<(Arc<str>, Value)>,
    headers: Vec<(HeaderName, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    /// It holds a `;`. A user may be *called* `victim;x`, and would pass a rule that compares the
    /// name with the path, before an upstream that removes parameters serves `victim`: nothing is
    /// equal to such a value.
    Parameters,
    /// Its text is another one for servers that cut the path elsewhere: `%2F`, `%3F`, `//`. Or the host
    /// has it in two places, to two of the rule's hosts.
    Differs,
}

impl Value {
    fn of(decoded: &str) -> Self {
        match decoded.contains(';') {
            true => Self::Parameters,
            false => Self::Text(decoded.to_owned()),
        }
    }
}

/// Whether the rest of a path is other text to some. An encoded slash in it is no difference:
/// whether it separates or not, it is a slash. But it must stand between two texts, or some merge
/// it with the slash beside it.
fn differs_within(decoded: &str) -> bool {
    decoded.contains(['\\', '?', '#'])
        || decoded.contains("//")
        || decoded.starts_with('/')
        || decoded.ends_with('/')
}

impl Variables {
    /// The value of a variable; `None` if there is no such variable, or if upstreams might not
    /// agree about its value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            Value::Parameters | Value::Differs => None,
        }
    }

    /// Whether a variable has one value for servers that take `%2F`, `%3F` or `//` one way, and
    /// another for servers that take it another way; or one in each of two hosts of the rule.
    #[must_use]
    pub fn differs(&self, name: &str) -> bool {
        self.value(name) == Some(&Value::Differs)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let (_, value) = self.named.iter().find(|(known, _)| **known == *name)?;
        Some(value)
    }

    /// Takes note of what the request has in place of a variable of the rule's hosts.
    pub(in super::super) fn add(&mut self, name: &Arc<str>, value: &str) {
        let value = Value::Text(value.to_owned());
        self.named.push((Arc::clone(name), value));
    }

    /// Takes note of what it has there to another of the hosts: of two values none counts.
    pub(in super::super) fn add_other(&mut self, name: &Arc<str>, value: &str) {
        let known = self.named.iter_mut().find(|(known, _)| known == name);
        if let Some((_, known)) = known
            && !matches!(known, Value::Text(text) if text == value)
        {
            *known = Value::Differs;
        }
    }

    /// What the request has in a header; `None` if there is no such value, or if upstreams might not
    /// agree about what it is.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    /// Takes note of what the request has in a header.
    pub fn bind(&mut self, name: &HeaderName, value: &str) {
        self.headers.push((name.clone(), value.to_owned()));
    }

    /// All variables, from left to right, with their values as [`Variables::get`] gives them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.named.iter().map(|(name, _)| (&**name, self.get(name)))
    }
}

impl<'t> FromIterator<(&'t str, &'t str)> for Variables {
    fn from_iter<I: IntoIterator<Item = (&'t str, &'t str)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self {
            named: pairs
                .map(|(name, value)| (name.into(), Value::of(value)))
                .collect(),
            headers: Vec::new(),
        }
    }
}

fn spelled(segment: &str) -> Result<Spelled<'_>, InvalidPattern> {
    if !segment.contains(['{', '}']) {
        return Ok(Spelled::Literal);
    }
    let name = segment
        .strip_prefix('{')
        .and_then(|segment| segment.strip_suffix('}'))
        // `{a}{b}` has braces left once the outer ones are gone.
        .filter(|name| !name.contains(['{', '}']))
        .ok_or_else(|| InvalidPattern::PartialVariable(segment.to_owned()))?;
    let (name, greedy) = match name.strip_suffix('+') {
        Some(name) => (name, true),
        None => (name, false),
    };
    if name.is_empty()
        || !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    {
        return Err(InvalidPattern::VariableName(segment.to_owned()));
    }
    // In a wanted value it would stand for the header.
    if name.starts_with("header.") {
        return Err(InvalidPattern::HeaderVariable(segment.to_owned()));
    }
    Ok(if greedy {
        Spelled::Greedy(name)
    } else {
        Spelled::Variable(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_its_variables() {
        let template = Template::new("/a/{b}/c/{d.e_f-9}/{g+}/").unwrap();
        assert_eq!(
            template.variables().collect::<Vec<_>>(),
            ["b", "d.e_f-9", "g"]
        );
        assert_eq!(Template::new("/a").unwrap().variables().count(), 0);
    }

    #[track_caller]
    fn captured(template: &str, path: &str) -> Variables {
        let template = Template::new(template).unwrap();
        template.capture(&RequestPath::parse(path.as_bytes()).unwrap(), &[])
    }

    #[test]
    fn variables_are_percent_decoded() {
        let variables = captured("/u/{id}/{rest+}", "/u/a%40b%20c/x/%C3%A9/z/");
        assert_eq!(variables.get("id"), Some("a@b c"));
        assert_eq!(variables.get("rest"), Some("x/é/z"));
        assert_eq!(variables.get("other"), None);
    }

    #[test]
    fn a_value_with_parameters_equals_nothing() {
        assert_eq!(captured("/u/{id}", "/u/victim;x").get("id"), None);
        assert_eq!(captured("/u/{id}", "/u/victim%3bx").get("id"), None);
        assert_eq!(captured("/u/{id+}", "/u/victim;x/y").get("id"), None);
        assert_eq!(
            captured("/u/{id}", "/u/victim,x").get("id"),
            Some("victim,x")
        );
    }

    #[test]
    fn what_readings_disagree_about_equals_nothing() {
        let template = Template::new("/u/{id}/{rest+}").unwrap();
        let read = |path: &str, differs: &[bool]| {
            let path = RequestPath::parse(path.as_bytes()).unwrap();
            template.capture(&path, differs)
        };
        let variables = read("/u/a/b%2Fc", &[false, true, false]);
        assert_eq!(
            (variables.get("id"), variables.get("rest")),
            (None, Some("b/c"))
        );
        assert!(variables.differs("id") && !variables.differs("rest"));
        for rest in [
            "b%5Cc", "b%3F", "b%23c", "b//c", "/b", "b%2F", "%2Fb", "b%2F%2Fc",
        ] {
            let variables = read(&format!("/u/a/{rest}"), &[]);
            assert!(
                variables.differs("rest") && variables.get("id") == Some("a"),
                "{rest}"
            );
        }
        assert!(!read("/u/a/b;c", &[]).differs("rest"));
    }

    #[test]
    fn variables_can_be_listed() {
        let variables = captured("/{a}/{b}/{c+}", "/1/2;x/3/4");
        let all: Vec<_> = variables.iter().collect();
        assert_eq!(all, [("a", Some("1")), ("b", None), ("c", Some("3/4"))]);
    }

    #[test]
    fn can_be_made_from_pairs() {
        let variables: Variables = [("id", "a"), ("x", "b")].into_iter().collect();
        assert_eq!(variables.get("x"), Some("b"));
        assert_eq!(Variables::default().get("x"), None);
    }

    #[track_caller]
    fn refuses(template: &str, text: &str) {
        assert_eq!(Template::new(template).unwrap_err().to_string(), text);
    }

    #[test]
    fn refuses_malformed_variables() {
        for (template, found) in [
            ("/a{b}", "a{b}"),
            ("/{b}c", "{b}c"),
            ("/{a}{b}", "{a}{b}"),
            ("/{a", "{a"),
        ] {
            refuses(
                template,
                &format!(
                    "found {found:?}; expected a variable to be a whole segment, as in \"/users/{{id}}\""
                ),
            );
        }
        for (template, found) in [
            ("/{}", "{}"),
            ("/{+}", "{+}"),
            ("/{a b}", "{a b}"),
            ("/{a$}", "{a$}"),
        ] {
            refuses(
                template,
                &format!(
                    "found {found:?}; expected a variable name of letters, digits, \".\", \"_\" and \"-\""
                ),
            );
        }
        refuses(
            "/{a}/{a}",
            "found the variable \"a\" twice; expected each name once",
        );
        refuses(
            "/{a}/{a+}",
            "found the variable \"a\" twice; expected each name once",
        );
        refuses(
            "/{a+}/b",
            "found \"{a+}\" before other segments; expected it last",
        );
        refuses(
            "/{a+}/{b+}",
            "found \"{a+}\" before other segments; expected it last",
        );
    }

    #[test]
    fn refuses_unsafe_literals_under_the_name_they_were_given() {
        refuses(
            "a/{b}",
            "found \"a/{b}\"; expected a path that begins with \"/\"",
        );
        refuses(
            "{b}/c",
            "found \"{b}/c\"; expected a path that begins with \"/\"",
        );
        refuses(
            "/{a}?b",
            "found \"{a}?b\"; expected a variable to be a whole segment, as in \"/users/{id}\"",
        );
        refuses(
            "/{a}/b?c",
            "found \"/{a}/b?c\"; expected a path without query",
        );
        refuses(
            "/{a}/;b",
            "found \"/{a}/;b\"; expected a path without \";\"",
        );
        refuses(
            "/{a}//b",
            "found \"/{a}//b\"; expected a path that a safe request can have, but in it found an \
             empty segment; expected single slashes",
        );
        refuses(
            "/{a}//",
            "found \"/{a}//\"; expected a path that a safe request can have, but in it found an \
             empty segment; expected single slashes",
        );
    }
}
