//! `match`: the requests that a rule is about.

use super::fields::Fields;
use super::problem::Parsed;
use crate::rules::pattern::{HostPattern, InvalidPattern, Match, Method, PathPattern};

const FIELDS: [&str; 6] = ["path", "prefix", "template", "regex", "methods", "hosts"];
const PATHS: [(&str, ReadPath); 4] = [
    ("path", PathPattern::exact),
    ("prefix", PathPattern::prefix),
    ("template", PathPattern::template),
    ("regex", PathPattern::regex),
];

type ReadPath = fn(&str) -> Result<PathPattern, InvalidPattern>;

const EXPECTED: &str = "an object with path, prefix, template, regex, methods or hosts";

/// Reads `match`. What would match everything is no rule but the default, and has to say so there.
pub(super) fn read(rule: &Fields<'_>) -> Parsed<Match> {
    let field = rule.required("match", EXPECTED)?;
    let fields = field.fields(&FIELDS)?;
    if fields.is_empty() {
        return Err(fields.refuse(format_args!(
            "found an empty object; expected {EXPECTED}; what matches everything is default"
        )));
    }
    let path = path(&fields);
    let methods = fields
        .optional("methods", "a list of methods, such as [GET, HEAD]")
        .map_or(Ok(Vec::new()), |field| {
            field.each("a method in upper case", |item| item.parsed(Method::new))
        });
    let hosts = fields
        .optional("hosts", "a list of hosts, such as [api.example.com]")
        .map_or(Ok(Vec::new()), |field| {
            field.each("a host", |item| item.parsed(HostPattern::new))
        });
    let (path, hosts) = (path?, hosts?);
    // One name would stand for two values.
    for (at, host) in hosts.iter().enumerate() {
        if let Some(name) = host.variables().find(|name| path.has_variable(name)) {
            return Err(fields.refuse_item(
                "hosts",
                at,
                format_args!("found the variable {name:?} of the template; expected another name"),
            ));
        }
    }
    Ok(Match {
        path,
        methods: methods?,
        hosts,
    })
}

fn path(fields: &Fields<'_>) -> Parsed<PathPattern> {
    let mut given = PATHS.iter().filter_map(|(name, read)| {
        let field = fields.optional(name, "a path that begins with \"/\"")?;
        Some((name, field, read))
    });
    let Some((first, field, read)) = given.next() else {
        return Ok(PathPattern::Any);
    };
    let path = field.parsed(read);
    let others: Vec<_> = given
        .map(|(name, field, _)| {
            field.refuse(format_args!(
                "found {name} beside {first}; expected one of path, prefix, template and regex"
            ))
        })
        .collect();
    others.first().map_or(path, |reported| Err(*reported))
}
