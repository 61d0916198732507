//! The paths of a definition, in the syntax of rules.

use super::part::placeholder;
use cognito_authorizer::percent;
use cognito_authorizer::rules::pattern::PathPattern;

/// A part of a path. The order is that in which API Gateway prefers them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    /// By what it is once escapes are decoded.
    Literal(String),
    Variable,
    /// `{name+}`, last only.
    Rest,
}

/// A path of the definition.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) segments: Vec<Segment>,
    /// As a rule spells it: one for each segment.
    spelled: Vec<String>,
}

impl Route {
    /// Reads a path, below what all paths are below.
    ///
    /// # Errors
    /// It is none that API Gateway has. There are definitions of other gateways with such paths; a
    /// rule that only resembles one could leave a door open beside it.
    pub(super) fn new(prefix: &[String], path: &str) -> Result<Self, String> {
        let mut route = Self {
            segments: Vec::new(),
            spelled: Vec::new(),
        };
        for segment in prefix {
            route.push(Segment::Literal(decoded(segment)), segment.clone());
        }
        if placeholder(path).is_some() {
            return Err("found a placeholder in a path".to_owned());
        }
        let Some(path) = path.strip_prefix('/') else {
            return Err("expected a path that begins with \"/\"".to_owned());
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Ok(route);
        }
        for segment in path.split('/') {
            if route.segments.last() == Some(&Segment::Rest) {
                return Err(format!(
                    "found {segment:?} after a greedy variable; expected that last"
                ));
            }
            let variable = segment
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'));
            match variable {
                Some(name) if !name.contains(['{', '}']) => match name.strip_suffix('+') {
                    Some(name) => route.push_variable(Segment::Rest, name),
                    None => route.push_variable(Segment::Variable, name),
                },
                // Other gateways mean a variable by these; to API Gateway and to rules they are none.
                _ if segment.contains('*') || segment.starts_with(':') => {
                    return Err(format!(
                        "found {segment:?}, which API Gateway takes for a plain text; expected \
                         {{name}} or {{name+}} for a variable"
                    ));
                }
                // A segment that is empty would be taken for the end of the path.
                _ if !segment.is_empty() && PathPattern::exact(&format!("/{segment}")).is_ok() => {
                    route.push(Segment::Literal(decoded(segment)), segment.to_owned());
                }
                _ => {
                    return Err(format!(
                        "found {segment:?}; expected a segment as API Gateway has them, a plain \
                         text or one variable"
                    ));
                }
            }
        }
        Ok(route)
    }

    fn push(&mut self, segment: Segment, spelled: String) {
        self.segments.push(segment);
        self.spelled.push(spelled);
    }

    /// Names of variables mean nothing to these rules; one that a template could not have gets
    /// another.
    fn push_variable(&mut self, segment: Segment, name: &str) {
        let plus = if segment == Segment::Rest { "+" } else { "" };
        let fits = |name: &str| {
            let spelled = format!("{{{name}{plus}}}");
            let path = format!("{}/{spelled}", self.path());
            PathPattern::template(&path).is_ok().then_some(spelled)
        };
        let mut number = self.spelled.len();
        let spelled = loop {
            number = number.saturating_add(1);
            match fits(name).or_else(|| fits(&format!("p{number}"))) {
                Some(spelled) => break spelled,
                // A template with a name of its own is refused only for what stands before it,
                // which was accepted; were it not so, this would be no name at all.
                None if number > 1_000 => break format!("{{p{number}{plus}}}"),
                None => {}
            }
        };
        self.push(segment, spelled);
    }

    /// As a rule spells it.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for segment in &self.spelled {
            path.push('/');
            path.push_str(segment);
        }
        path
    }

    /// Whether it is the route of one path.
    pub(super) fn is_one_path(&self) -> bool {
        let mut segments = self.segments.iter();
        segments.all(|segment| matches!(segment, Segment::Literal(_)))
    }

    /// Everything below it.
    pub(super) fn below(&self) -> Self {
        let mut below = self.clone();
        below.push_variable(Segment::Rest, "rest");
        below
    }

    pub(super) fn starts(&self, length: usize) -> Self {
        Self {
            segments: self.segments.iter().take(length).cloned().collect(),
            spelled: self.spelled.iter().take(length).cloned().collect(),
        }
    }

    /// Whether it is greedy and every path of the other is one of its.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let Some((Segment::Rest, start)) = self.segments.split_last() else {
            return false;
        };
        let fits = |(one, other): (&Segment, &Segment)| *one == Segment::Variable || one == other;
        other.segments.len() > start.len() && start.iter().zip(&other.segments).all(fits)
    }

    /// Whether every path of the other is one of its, too.
    pub(super) fn takes(&self, other: &Self) -> bool {
        let fits = |(one, other): (&Segment, &Segment)| {
            one == other || *one == Segment::Variable && *other != Segment::Rest
        };
        self.covers(other)
            || self.segments.len() == other.segments.len()
                && self.segments.iter().zip(&other.segments).all(fits)
    }

    /// Whether some path is of both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.segments.iter(), other.segments.iter());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some(Segment::Rest), Some(_)) | (Some(_), Some(Segment::Rest)) => return true,
                (Some(Segment::Literal(one)), Some(Segment::Literal(other))) if one != other => {
                    return false;
                }
                (Some(_), Some(_)) => {}
                (None, Some(_)) | (Some(_), None) => return false,
            }
        }
    }
}

/// The path with its escapes decoded, as far as they are text.
pub(super) fn decoded(segment: &str) -> String {
    let bytes = percent::decoded(segment.as_bytes()).into_owned();
    String::from_utf8(bytes).unwrap_or_else(|_| segment.to_owned())
}
