//! Where in a file each part of a document stands.

use super::source::{Position, Span};
use cognito_authorizer::config;
use serde_json::Value;
use std::collections::BTreeMap;

/// Where one part stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The name of the member that it is.
    pub(super) key: Option<Span>,
    /// What stands there.
    pub(super) value: Span,
    /// Whether that is a list or an object, which may be long.
    pub(super) holds_more: bool,
}

/// Where everything in a document stands, by its path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(BTreeMap<String, Place>);

impl Places {
    pub(super) fn insert(&mut self, path: String, place: Place) {
        self.0.insert(path, place);
    }

    /// What to underline for a path: the value if it is a plain one, the name of what is larger.
    /// What is not there (a missing member) is shown by the nearest part around it that is.
    pub(crate) fn at(&self, path: &str) -> Span {
        match self.nearest(path) {
            None => Span::default(),
            Some(place) if !place.holds_more => place.value,
            Some(place) => place.key.unwrap_or(place.value),
        }
    }

    /// The name under which something stands; for what has none, as [`Places::at`].
    pub(crate) fn key(&self, path: &str) -> Span {
        let key = self.nearest(path).and_then(|place| place.key);
        key.unwrap_or_else(|| self.at(path))
    }

    /// A plain value, and nothing around it.
    pub(crate) fn plain(&self, path: &str) -> Option<Span> {
        let place = self.0.get(path)?;
        (!place.holds_more).then_some(place.value)
    }

    /// A member or an element with all that is in it: from its name, or from where it begins, to the
    /// end of the last plain value.
    pub(crate) fn whole_of(&self, path: &str) -> Option<Span> {
        let place = self.0.get(path)?;
        let below = |full: &str| {
            let rest = full.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let parts = self.0.iter().filter(|(full, _)| below(full));
        Some(Span {
            start: place.key.unwrap_or(place.value).start,
            end: parts.map(|(_, part)| part.value.end).max()?,
        })
    }

    fn nearest(&self, path: &str) -> Option<Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.0.get(path) {
                return Some(*place);
            }
            if path.is_empty() {
                return None;
            }
            // A name in quotes may hold these too: then what is left is no path, and shorter.
            let end = path.rfind(['.', '[']).unwrap_or(0);
            path = path.get(..end).unwrap_or_default();
        }
    }

    /// The places of what stands at a path, by their paths from there.
    pub(super) fn within(&self, path: &str) -> Self {
        let places = self.0.range(path.to_owned()..).map_while(|(full, place)| {
            let rest = full.strip_prefix(path)?;
            Some((rest, place))
        });
        let mut places: BTreeMap<_, _> = places
            .filter_map(|(rest, place)| {
                let rest = match rest.strip_prefix('.') {
                    Some(rest) => rest,
                    None if path.is_empty() || rest.is_empty() || rest.starts_with('[') => rest,
                    // A name that only begins alike.
                    None => return None,
                };
                Some((rest.to_owned(), *place))
            })
            .collect();
        if let Some(nearest) = self.nearest(path) {
            places.entry(String::new()).or_insert(nearest);
        }
        Self(places)
    }

    /// The places of a document within another, where they are known.
    pub(super) fn moved(self, to: impl Fn(Position) -> Position) -> Self {
        let span = |span: Span| Span {
            start: to(span.start),
            end: to(span.end),
        };
        let places = self.0.into_iter().map(|(path, place)| {
            let place = Place {
                key: place.key.map(span),
                value: span(place.value),
                ..place
            };
            (path, place)
        });
        Self(places.collect())
    }

    /// Places for a document of which only the whole can be shown.
    pub(super) fn whole(value: Span) -> Self {
        let place = Place {
            key: None,
            value,
            holds_more: false,
        };
        Self(BTreeMap::from([(String::new(), place)]))
    }
}

/// The path of a member.
pub(crate) fn member(path: &str, name: &str) -> String {
    config::member(whole(path), name)
}

/// The path of a list's element.
pub(crate) fn item(path: &str, position: usize) -> String {
    format!("{path}[{position}]")
}

/// The path of a part of a part.
pub(crate) fn below(path: &str, part: &str) -> String {
    match (path, part) {
        (_, "") => path.to_owned(),
        ("", _) => part.to_owned(),
        _ if part.starts_with('[') => format!("{path}{part}"),
        _ => format!("{path}.{part}"),
    }
}

/// How the filter calls the document as a whole.
fn whole(path: &str) -> &str {
    if path.is_empty() { config::WHOLE } else { path }
}

/// What stands at a path.
pub(super) fn get<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    // Names may hold any character: the paths below each member are compared, not taken apart.
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (member("", name), value))
            .collect(),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .map(|(at, value)| (item("", at), value))
            .collect(),
        _ => return None,
    };
    children.into_iter().find_map(|(name, child)| {
        let rest = path.strip_prefix(&name)?;
        match rest.strip_prefix('.') {
            Some(rest) => get(child, rest),
            None if rest.is_empty() || rest.starts_with('[') => get(child, rest),
            None => None,
        }
    })
}
