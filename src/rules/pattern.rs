//! What a rule matches, parsed: a value of these types can be matched by some safe request.

mod error;
mod host;
mod literal;
mod method;
mod regex;
mod template;
mod wildcard;

pub use super::path::PathCase;
pub use error::InvalidPattern;
pub(super) use host::{HostKey, requested_host};
pub use host::{HostPattern, InvalidHost};
pub use literal::{LiteralPath, LiteralSegment};
pub use method::{InvalidMethod, Method};
pub use regex::PathRegex;
pub use template::{Template, Variables};

/// A rule's `match`: the parts that are given must all hold.
#[derive(Clone, Debug)]
pub struct Match {
    /// The paths, [`PathPattern::Any`] if the part is not given.
    pub path: PathPattern,
    /// The methods, of which any one suffices; empty if the part is not given.
    pub methods: Vec<Method>,
    /// The hosts, of which any one suffices; empty if the part is not given.
    pub hosts: Vec<HostPattern>,
}

/// The paths that a rule is about.
#[derive(Clone, Debug)]
pub enum PathPattern {
    /// All of them, and requests without one.
    Any,
    /// This one.
    Exact(LiteralPath),
    /// This one and all below it.
    Prefix(LiteralPath),
    /// All of this shape.
    Template(Template),
    /// All that match this expression from end to end.
    Regex(PathRegex),
}

impl Match {
    /// The names of the variables that every request under it has a value for: of its template, and
    /// those that all of its hosts have.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        let template = match &self.path {
            PathPattern::Template(template) => Some(template.variables()),
            PathPattern::Any
            | PathPattern::Exact(_)
            | PathPattern::Prefix(_)
            | PathPattern::Regex(_) => None,
        };
        let (first, others) = match self.hosts.split_first() {
            Some((first, others)) => (Some(first.variables()), others),
            None => (None, &[][..]),
        };
        let of_all = first.into_iter().flatten().filter(|name| {
            let mut others = others.iter();
            others.all(|host| host.variables().any(|other| other == *name))
        });
        let template = template.into_iter().flatten();
        template.chain(of_all).map(str::to_owned).collect()
    }

    /// The paths segment by segment, if they are about segments.
    #[must_use]
    pub fn shape(&self) -> Option<Shape<'_>> {
        self.path.shape()
    }
}

impl PathPattern {
    /// `path`: one path. A trailing slash makes no difference, nor does the spelling of escapes.
    ///
    /// # Errors
    /// No safe request could have this path.
    pub fn exact(path: &str) -> Result<Self, InvalidPattern> {
        LiteralPath::new(path).map(Self::Exact)
    }

    /// `prefix`: a path and all below it, by whole segments. `/` is every path.
    ///
    /// # Errors
    /// No safe request could have this path.
    pub fn prefix(path: &str) -> Result<Self, InvalidPattern> {
        LiteralPath::new(path).map(Self::Prefix)
    }

    /// `template`: a path with variables, in the syntax of API Gateway's resource paths.
    ///
    /// # Errors
    /// A variable is not well formed, or no safe request could have such a path.
    pub fn template(path: &str) -> Result<Self, InvalidPattern> {
        Template::new(path).map(Self::Template)
    }

    /// `regex`: an expression over the whole path, trailing slash and all.
    ///
    /// # Errors
    /// The expression is none, or is too large.
    pub fn regex(expression: &str) -> Result<Self, InvalidPattern> {
        PathRegex::new(expression).map(Self::Regex)
    }

    /// Whether a template has this variable.
    #[must_use]
    pub fn has_variable(&self, name: &str) -> bool {
        match self {
            Self::Template(template) => template.variables().any(|known| known == name),
            Self::Any | Self::Exact(_) | Self::Prefix(_) | Self::Regex(_) => false,
        }
    }

    /// The pattern segment by segment, if it is about segments.
    pub(super) fn shape(&self) -> Option<Shape<'_>> {
        match self {
            Self::Any | Self::Regex(_) => None,
            Self::Exact(path) => Some(Shape {
                pieces: path.segments().iter().map(Piece::Literal).collect(),
                tail: Tail::End,
            }),
            Self::Prefix(path) => Some(Shape {
                pieces: path.segments().iter().map(Piece::Literal).collect(),
                tail: Tail::AnyNumber,
            }),
            Self::Template(template) => Some(template.shape()),
        }
    }
}

/// A pattern, segment by segment.
#[derive(Debug)]
pub struct Shape<'p> {
    /// The segments that are there in any case.
    pub pieces: Vec<Piece<'p>>,
    /// What may follow them.
    pub tail: Tail,
}

/// What one segment of a path must be.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'p> {
    /// This text.
    Literal(&'p LiteralSegment),
    /// Any text, but not none.
    Variable,
}

/// What may follow the last piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    End,
    /// Segments, or none.
    AnyNumber,
    /// At least one segment.
    OneOrMore,
}
