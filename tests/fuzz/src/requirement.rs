//! What a rule asks of claims: every matcher over claims of every shape, as the documentation says.

use arbitrary::{Result, Unstructured};
use cognito_authorizer::claims::Claims;
use cognito_authorizer::config;
use cognito_authorizer::request::Request;
use cognito_authorizer::rules::requirement::Circumstances;
use cognito_authorizer::rules::work::Work;
use cognito_authorizer::time::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Texts of claims and of matchers: some are parts of others, or another one's list.
const TEXTS: [&str; 10] = ["a", "b", "ab", "1", "true", "A", "a,b", "[a]", "null", "ba"];
/// What texts with lists in them are made of.
const PIECES: [&str; 14] = [
    "[", "]", "\"", ",", " ", "\t", "a", "b", "ab", "1", "true", "null", "{}", "[]",
];
const BOUND: &str = "{header.x-bound}";

/// A value of a claim.
fn claim(input: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let kinds = if depth < 2 { 9 } else { 6 };
    Ok(match input.int_in_range(0..=kinds)? {
        0 => Value::Null,
        1 => json!(input.arbitrary::<bool>()?),
        2 => json!(1),
        3 => json!(""),
        4 => json!(input.choose(&TEXTS)?),
        5 => {
            let mut text = String::new();
            for _ in 0..input.int_in_range(1..=6)? {
                text.push_str(input.choose(&PIECES)?);
            }
            json!(text)
        }
        6 => json!([]),
        7 | 8 => {
            let mut elements = Vec::new();
            for _ in 0..input.int_in_range(1..=3)? {
                elements.push(claim(input, depth + 1)?);
            }
            Value::Array(elements)
        }
        _ => json!({"p": claim(input, depth + 1)?}),
    })
}

/// What is asked of one claim, as the configuration has it.
#[derive(Debug, Default)]
struct Asked {
    place: &'static str,
    read_as: Option<&'static str>,
    any: Vec<&'static str>,
    all: Vec<&'static str>,
    none: Vec<&'static str>,
    prefix: Option<&'static str>,
    suffix: Option<&'static str>,
    /// A class of letters, any number of which is a match.
    regex: Option<&'static str>,
    present: Option<bool>,
}

const PLACES: [&str; 5] = ["c", "/c", "/c/p", "/c/*", "/c/*/p"];

impl Asked {
    fn generate(input: &mut Unstructured<'_>) -> Result<Self> {
        let mut asked = Self {
            place: input.choose(&PLACES)?,
            ..Self::default()
        };
        if input.arbitrary()? {
            asked.read_as = Some(input.choose(&["json", "comma", "space", "brackets"])?);
        }
        for _ in 0..input.int_in_range(1..=3)? {
            let value = *input.choose(&["a", "b", "ab", "1", "true", "A", "null", BOUND])?;
            match input.int_in_range(0..=6)? {
                0 => asked.any.push(value),
                1 => asked.all.push(value),
                2 => asked.none.push(value),
                3 => asked.prefix = Some(input.choose(&["a", "b", "[", "tr"])?),
                4 => asked.suffix = Some(input.choose(&["a", "b", "]", "e"])?),
                5 => asked.regex = Some(input.choose(&["ab", "a1", "a-z"])?),
                _ => asked.present = Some(input.arbitrary()?),
            }
        }
        Ok(asked)
    }

    fn json(&self) -> Value {
        let mut members = Map::new();
        let lists = [("any", &self.any), ("all", &self.all), ("none", &self.none)];
        for (name, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
            members.insert(name.into(), json!(values));
        }
        let texts = [
            ("read_as", self.read_as),
            ("prefix", self.prefix),
            ("suffix", self.suffix),
        ];
        for (name, text) in texts {
            members.extend(text.map(|text| (name.to_owned(), json!(text))));
        }
        let regex = self.regex.map(|class| json!(format!("[{class}]+")));
        members.extend(regex.map(|regex| ("regex".to_owned(), regex)));
        let present = self.present.map(|present| json!(present));
        members.extend(present.map(|present| ("present".to_owned(), present)));
        json!({self.place: members})
    }

    /// Whether it holds: `envoy/RULES.md`, sentence by sentence.
    fn holds(&self, claim: Option<&Value>, bound: Option<&str>) -> bool {
        let place = Some(self.place.trim_start_matches(['/', 'c'])).filter(|rest| !rest.is_empty());
        let steps: Vec<&str> = place.map_or(Vec::new(), |rest| rest.split('/').collect());
        let said = |wanted: &&'static str| match *wanted {
            BOUND => bound,
            text => Some(text),
        };
        let some_text = self.prefix.is_some() || self.suffix.is_some() || self.regex.is_some();
        let elements = match self.look(claim, &steps) {
            Found::Unreadable | Found::Astray => return false,
            Found::Object => {
                let compares = some_text
                    || !(self.any.is_empty() && self.all.is_empty() && self.none.is_empty());
                return self.present == Some(true) && !compares;
            }
            Found::Elements(elements) => elements,
        };
        if elements.is_empty() {
            return self.present != Some(true)
                && !some_text
                && self.any.is_empty()
                && self.all.is_empty()
                && self.none.iter().all(|wanted| said(wanted).is_some());
        }
        let is_one = |wanted: &&'static str| {
            said(wanted).is_some_and(|text| elements.contains(&Some(text.to_owned())))
        };
        let some = |holds: &dyn Fn(&str) -> bool| elements.iter().flatten().any(|text| holds(text));
        let in_class = |class: &str, text: &str| {
            let has = |letter: char| match class {
                "a-z" => letter.is_ascii_lowercase(),
                class => class.contains(letter),
            };
            !text.is_empty() && text.chars().all(has)
        };
        self.present != Some(false)
            && (self.any.is_empty() || self.any.iter().any(is_one))
            && self.all.iter().all(is_one)
            && (self.none.is_empty() || !elements.contains(&None))
            && self
                .none
                .iter()
                .all(|wanted| said(wanted).is_some() && !is_one(wanted))
            && self
                .prefix
                .is_none_or(|wanted| some(&|text| text.starts_with(wanted)))
            && self
                .suffix
                .is_none_or(|wanted| some(&|text| text.ends_with(wanted)))
            && self
                .regex
                .is_none_or(|class| some(&|text| in_class(class, text)))
    }

    /// What stands there: elements, of which those without a text are `None`.
    fn look(&self, claim: Option<&Value>, steps: &[&str]) -> Found {
        let nothing = Found::Elements(Vec::new());
        let value = match claim {
            None | Some(Value::Null) => return nothing,
            Some(Value::String(text)) if text.is_empty() => return nothing,
            Some(Value::Array(all)) if all.is_empty() => return nothing,
            Some(value) => value,
        };
        let [step, rest @ ..] = steps else {
            return self.read(value);
        };
        match (*step, value) {
            ("*", Value::Array(all)) => {
                let (mut elements, mut strays) = (Vec::new(), false);
                for one in all {
                    match self.look(Some(one), rest) {
                        Found::Elements(more) => elements.extend(more),
                        Found::Object => elements.push(None),
                        Found::Astray => strays = true,
                        // What cannot be read as a list fails all.
                        Found::Unreadable => return Found::Unreadable,
                    }
                }
                // Beside what is there, what has no such part is no text.
                match (elements.is_empty(), strays) {
                    (true, true) => return Found::Astray,
                    (false, true) => elements.push(None),
                    (_, false) => {}
                }
                Found::Elements(elements)
            }
            (name, Value::Object(members)) if name != "*" => self.look(members.get(name), rest),
            _ => Found::Astray,
        }
    }

    fn read(&self, value: &Value) -> Found {
        let plain = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        };
        match (value, self.read_as) {
            (Value::Object(_), _) => Found::Object,
            (Value::Array(all), _) => Found::Elements(all.iter().map(plain).collect()),
            (value, None) => Found::Elements(vec![plain(value)]),
            (Value::String(text), Some(read_as)) => {
                let json = || {
                    let all: Vec<Value> = serde_json::from_str(text).ok()?;
                    let trimmed =
                        |one: &Value| plain(one).map(|text| text.trim_matches(' ').into());
                    Some(all.iter().map(trimmed).collect())
                };
                let cut = |text: &str, at: char| -> Vec<Option<String>> {
                    let parts = text.split(at).map(|part| part.trim_matches(' '));
                    let parts = parts.filter(|part| !part.is_empty());
                    parts.map(|part| Some(part.to_owned())).collect()
                };
                let read = match read_as {
                    "json" => json(),
                    "comma" => Some(cut(text, ',')),
                    "space" => Some(cut(text, ' ')),
                    _ => json().or_else(|| {
                        let inner = text.trim_matches(' ');
                        let inner = inner.strip_prefix('[')?.strip_suffix(']')?;
                        let parts = cut(inner, ',');
                        let broken = |part: &Option<String>| {
                            let part = part.as_deref().unwrap_or_default();
                            let marks = ['"', '[', ']', '{', '}'];
                            part.starts_with(marks) || part.ends_with(marks)
                        };
                        (!parts.iter().any(broken)).then_some(parts)
                    }),
                };
                read.map_or(Found::Unreadable, Found::Elements)
            }
            _ => Found::Unreadable,
        }
    }
}

enum Found {
    Elements(Vec<Option<String>>),
    Object,
    Unreadable,
    /// The steps lead into something that has no parts.
    Astray,
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let first = Asked::generate(input)?;
    let document = json!({
        "user_pools": [{"user_pool_id": "us-east-1_AbCdEf123", "client_ids": "any", "jwks": {"cluster": "c"}}],
        "token": {"use": "any"},
        "rules": [{"match": {"path": "/"}, "require": {"claims": first.json()}}],
        "default": "nobody",
    });
    // What contradicts itself is refused.
    let Ok(policy) = config::parse(document.to_string().as_bytes()) else {
        return Ok(());
    };
    let claim = match input.ratio(1, 10)? {
        true => None,
        false => Some(claim(input, 0)?),
    };
    let lines: &[&str] = input.choose(&[&[][..], &["a"], &["ab"], &[""], &["a,b"], &["a", "a"]])?;
    let mut headers = vec![(":path".into(), b"/".to_vec())];
    headers.extend(
        lines
            .iter()
            .map(|line| ("x-bound".into(), line.as_bytes().to_vec())),
    );
    let bound = match lines {
        ["a"] => Some("a"),
        ["ab"] => Some("ab"),
        _ => None,
    };
    let chosen = policy.choose(&Request::new(headers), &mut Work::default());
    let (ruling, variables) = chosen.expect("one reading");
    let requirement = policy.rules.requirement(ruling).expect("a requirement");
    let payload = match &claim {
        Some(claim) => json!({"c": claim}),
        None => json!({}),
    };
    let claims = Claims::parse(payload.to_string()).expect("a payload");
    let circumstances = Circumstances {
        variables: &variables,
        now: Timestamp::from_seconds(1_700_000_000.0).expect("a time"),
        clock_skew: Duration::ZERO,
    };
    let found = requirement
        .conditions
        .check(&claims, &circumstances, &mut ());
    let expected = first.holds(claim.as_ref(), bound);
    assert_eq!(
        found.is_ok(),
        expected,
        "{} over {payload} with {lines:?}",
        first.json()
    );
    Ok(())
}

/// What holds for a claim is what the documentation says, whatever its shape.
pub fn requirement(data: &[u8]) {
    // An input that is too short asks nothing.
    let _ = check(&mut Unstructured::new(data));
}
