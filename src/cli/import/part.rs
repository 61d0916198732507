//! The parts of a definition. Each is read in full or not at all: what is asked of one that cannot be
//! read is an [`Obstacle`], and whoever asks passes it on until it closes what the part was about.

use crate::document::{Document, item, member};
use cognito_authorizer::config::nearest;
use serde_json::{Map, Value};
use std::fmt;

/// Why something is not asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Obstacle {
    /// Where the cause stands in the definition.
    pub(super) place: String,
    pub(super) text: String,
    /// What one could do about it.
    pub(super) advice: Option<String>,
}

impl Obstacle {
    /// The same, with what one could do about it.
    pub(super) fn advised(self, advice: &str) -> Self {
        let advice = Some(advice.to_owned());
        Self { advice, ..self }
    }

    /// The same, for what rests on it.
    pub(super) fn of(self, what: &str) -> Self {
        let text = format!("{what}: {}", self.text);
        Self { text, ..self }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)?;
        match &self.advice {
            None => Ok(()),
            Some(advice) => write!(formatter, " ({advice})"),
        }
    }
}

/// Something in a definition, and where it stands.
#[derive(Clone)]
pub(super) struct Part<'d> {
    document: &'d Document,
    pub(super) place: String,
    value: &'d Value,
}

/// An object that says what it is about itself, and nowhere else.
#[derive(Clone)]
pub(super) struct Object<'d> {
    document: &'d Document,
    pub(super) place: String,
    members: &'d Map<String, Value>,
}

/// More would be a circle.
const MAX_REFERENCES: usize = 16;
/// What may stand beside a reference (OpenAPI 3.1, reference object; path item object): nothing of it
/// decides who may call.
const BESIDE_REFERENCE: [&str; 4] = ["summary", "description", "parameters", "servers"];
/// How the placeholders of templates begin and end: CloudFormation's, Terraform's and Serverless's,
/// those of Jinja and its kin, Terraform's directives, and ERB's.
const PLACEHOLDERS: [(&str, &str); 4] = [("${", "}"), ("{{", "}}"), ("%{", "}"), ("<%", "%>")];
const UNRESOLVED: &str =
    "an export of the deployed API has it resolved: cognito-authorizer import --help";

/// Where the next placeholder begins and ends in a text, if there is one.
pub(super) fn placeholder(text: &str) -> Option<std::ops::Range<usize>> {
    let starts = PLACEHOLDERS.iter().filter_map(|(open, close)| {
        let start = text.find(open)?;
        let rest = text.get(start..)?;
        let length = rest.find(close).map(|at| at.saturating_add(close.len()));
        Some(start..start.saturating_add(length.unwrap_or(rest.len())))
    });
    starts.min_by_key(|range| range.start)
}

impl<'d> Part<'d> {
    /// All of a definition.
    pub(super) fn whole(document: &'d Document) -> Self {
        Self {
            document,
            place: String::new(),
            value: &document.value,
        }
    }

    pub(super) fn obstacle(&self, text: impl Into<String>) -> Obstacle {
        Obstacle {
            place: self.place.clone(),
            text: text.into(),
            advice: None,
        }
    }

    fn wrong(&self, expected: &str) -> Obstacle {
        let found = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "yes or no",
            Value::Number(_) => "a number",
            Value::String(text) if placeholder(text).is_some() => {
                let text = format!("found a placeholder; expected {expected}");
                return self.obstacle(text).advised(UNRESOLVED);
            }
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.obstacle(format!("found {found}; expected {expected}"))
    }

    /// The text that it is.
    pub(super) fn text(&self) -> Result<&'d str, Obstacle> {
        let part = self.followed()?;
        match part.value {
            Value::String(text) if placeholder(text).is_none() => Ok(text),
            _ => Err(part.wrong("a text")),
        }
    }

    /// The text, which some write as a number.
    pub(super) fn scalar(&self) -> Result<String, Obstacle> {
        match self.followed()?.value {
            Value::Number(number) => Ok(number.to_string()),
            _ => self.text().map(str::to_owned),
        }
    }

    /// The elements of the list that it is.
    pub(super) fn list(&self) -> Result<Vec<Part<'d>>, Obstacle> {
        let part = self.followed()?;
        let elements = part.value.as_array().ok_or_else(|| part.wrong("a list"))?;
        let elements = elements.iter().enumerate().map(|(at, value)| Part {
            document: part.document,
            place: item(&part.place, at),
            value,
        });
        Ok(elements.collect())
    }

    /// The texts of the list that it is, or the text alone.
    pub(super) fn texts(&self) -> Result<Vec<&'d str>, Obstacle> {
        match self.followed()?.value {
            Value::Array(_) => self.list()?.iter().map(Part::text).collect(),
            _ => Ok(vec![self.text()?]),
        }
    }

    /// The object that it is.
    pub(super) fn object(&self) -> Result<Object<'d>, Obstacle> {
        let part = self.followed()?;
        let members = part.value.as_object();
        let object = Object {
            document: part.document,
            place: part.place.clone(),
            members: members.ok_or_else(|| part.wrong("an object"))?,
        };
        Ok(object)
    }

    /// The object as far as it is one, and what it may say elsewhere.
    pub(super) fn partly(&self) -> Result<(Object<'d>, Option<Obstacle>), Obstacle> {
        let members = |part: &Self| match part.value {
            Value::Object(members) => Ok(Object {
                document: part.document,
                place: part.place.clone(),
                members,
            }),
            _ => Err(part.wrong("an object")),
        };
        match self.referred() {
            Ok(part) => Ok((members(&part)?, part.elsewhere())),
            Err(obstacle) => Ok((members(self)?, Some(obstacle))),
        }
    }

    /// What it says, wherever in the document that stands.
    fn followed(&self) -> Result<Self, Obstacle> {
        let part = self.referred()?;
        match part.elsewhere() {
            None => Ok(part),
            Some(obstacle) => Err(obstacle),
        }
    }

    /// Follows references within the document.
    fn referred(&self) -> Result<Self, Obstacle> {
        let mut part = self.clone();
        for _ in 0..MAX_REFERENCES {
            let Value::Object(members) = part.value else {
                return Ok(part);
            };
            let Some(reference) = members.get("$ref") else {
                return Ok(part);
            };
            let beside = |name: &&String| {
                name.as_str() != "$ref" && !BESIDE_REFERENCE.contains(&name.as_str())
            };
            if let Some(name) = members.keys().find(beside) {
                return Err(part.obstacle(format!(
                    "found {name:?} beside $ref, of which some readers take the one and some the other"
                )));
            }
            let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
            part = match pointer {
                Some(pointer) => part.at(pointer)?,
                None => {
                    let obstacle = part.obstacle("found a $ref that leads out of this file");
                    return Err(obstacle.advised("bundle the definition into one file first"));
                }
            };
        }
        Err(self.obstacle("found a $ref that leads back to itself"))
    }

    /// What a pointer (RFC 6901) leads to. In a URL it may have escapes, which not every reader knows.
    fn at(&self, pointer: &str) -> Result<Self, Obstacle> {
        let mut found: Vec<Self> = Vec::new();
        for pointer in [pointer, &super::route::decoded(pointer)] {
            if let Some(part) = Self::whole(self.document).below(pointer)
                && !found.iter().any(|other| other.place == part.place)
            {
                found.push(part);
            }
        }
        match found.pop() {
            Some(part) if found.is_empty() => Ok(part),
            _ => Err(self.obstacle("found a $ref that leads nowhere")),
        }
    }

    fn below(self, pointer: &str) -> Option<Self> {
        let mut part = self;
        if pointer.is_empty() {
            return Some(part);
        }
        for token in pointer.strip_prefix('/')?.split('/') {
            let name = token.replace("~1", "/").replace("~0", "~");
            let (place, value) = match part.value {
                Value::Object(members) => (member(&part.place, &name), members.get(&name)?),
                Value::Array(elements) => {
                    let at = name.parse().ok()?;
                    (item(&part.place, at), elements.get(at)?)
                }
                _ => return None,
            };
            part = Self {
                place,
                value,
                ..part
            };
        }
        Some(part)
    }

    /// The first sign that an object is not all that stands here.
    fn elsewhere(&self) -> Option<Obstacle> {
        let Value::Object(members) = self.value else {
            return None;
        };
        // Not what it is called: no text of a template reaches a configuration, in comments either.
        let found = members.keys().find_map(|name| foreign(name))?;
        Some(self.obstacle(format!("found {found}")).advised(UNRESOLVED))
    }

    /// What stands there once references are followed, whatever that is.
    pub(super) fn said(&self) -> Result<&'d Value, Obstacle> {
        Ok(self.followed()?.value)
    }

    /// What stands there, read or not: for what decides nothing.
    pub(super) fn raw(&self) -> &'d Value {
        self.value
    }
}

/// What a member is by its name, if that is none of OpenAPI's, nor one that authors give to schemes.
fn foreign(name: &str) -> Option<&'static str> {
    match name {
        // A path says so where paths are read; these say nothing about what is beside them.
        _ if name.starts_with('/') || ["$schema", "$id", "$comment"].contains(&name) => None,
        "<<" => Some("a merge key that cannot be followed"),
        _ if name.starts_with('!') => Some("a tag of a template, which this tool cannot resolve"),
        _ if name == "Ref" || name.starts_with("Fn::") => {
            Some("an intrinsic function of CloudFormation, which this tool cannot resolve")
        }
        _ if placeholder(name).is_some() => Some("a placeholder in a name"),
        _ if name.contains(['$', '!', '<', '{', '}'])
            || name.contains("::")
            || name.starts_with("Fn:")
            || name.starts_with("Fn_")
            || nearest(name, &["$ref", "Ref"]).is_some() =>
        {
            Some("a name that a reference or a template may be")
        }
        _ => None,
    }
}

impl<'d> Object<'d> {
    pub(super) fn obstacle(&self, text: impl Into<String>) -> Obstacle {
        Obstacle {
            place: self.place.clone(),
            text: text.into(),
            advice: None,
        }
    }

    /// A member that is there.
    pub(super) fn get(&self, name: &str) -> Option<Part<'d>> {
        let value = self.members.get(name)?;
        Some(self.part(name, value))
    }

    /// A member that need not be there.
    ///
    /// # Errors
    /// It is not, but one that is was meant to be it.
    pub(super) fn member(&self, name: &str) -> Result<Option<Part<'d>>, Obstacle> {
        if let Some(part) = self.get(name) {
            return Ok(Some(part));
        }
        match self.misspelt(name) {
            None => Ok(None),
            Some(slip) => {
                Err(slip.obstacle(format!("found no {name}, but what may be a slip of it")))
            }
        }
    }

    /// A member that has to be there.
    pub(super) fn expect(&self, name: &str) -> Result<Part<'d>, Obstacle> {
        self.member(name)?
            .ok_or_else(|| self.obstacle(format!("found no {name}")))
    }

    /// A member that was meant to be this one, which is not there.
    pub(super) fn misspelt(&self, name: &str) -> Option<Part<'d>> {
        // Extensions are called as their owners like.
        let kind = |name: &str| name.starts_with("x-");
        let mut others = self
            .members()
            .filter(|(other, _)| kind(other) == kind(name));
        let slip = others.find(|(other, _)| nearest(other, &[name]).is_some());
        slip.map(|(_, part)| part)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&'d str, Part<'d>)> {
        let members = self.members.iter();
        members.map(|(name, value)| (name.as_str(), self.part(name, value)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn part(&self, name: &str, value: &'d Value) -> Part<'d> {
        Part {
            document: self.document,
            place: member(&self.place, name),
            value,
        }
    }
}
