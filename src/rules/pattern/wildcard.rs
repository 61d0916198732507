//! Spellings of other systems for "anything": `*` and `:name`.
//!
//! Istio, IAM and load balancers write `/admin/*`, Express and Rails `/users/:id`. Taken as text
//! they match nothing that is ever sent: the rule that was to close a door leaves it open. They are
//! refused, with the spelling that was meant.

use super::InvalidPattern;

/// Refuses a rule's path with a wildcard in it. Escaped (`%2A`, `%3A`) the characters are text.
pub(super) fn check(path: &str) -> Result<(), InvalidPattern> {
    let found = || path.to_owned();
    if path.contains('*') {
        return Err(InvalidPattern::Star {
            found: found(),
            meant: meant(path),
        });
    }
    // Inside a segment a colon is text: `/v1/users:list` is a path of Google's APIs.
    if path.split('/').any(|segment| segment.starts_with(':')) {
        return Err(InvalidPattern::Colon {
            found: found(),
            meant: meant(path),
        });
    }
    Ok(())
}

/// The field and the spelling that say it here.
fn meant(path: &str) -> String {
    let (before, last) = path.rsplit_once('/').unwrap_or(("", path));
    // `*` and `**`, which some systems tell apart.
    let is_any = |segment: &str| segment.trim_matches('*').is_empty();
    let special = |segment: &str| segment.starts_with([':', '{']) || segment.contains('*');
    // Everything below a fixed path is a prefix.
    if is_any(last) && !before.split('/').any(special) {
        return format!("prefix: {}", if before.is_empty() { "/" } else { before });
    }
    let segments: Vec<_> = path.split('/').skip(1).collect();
    // Routers write one segment as `:id`, `*`, or in braces: a variable, whatever its name.
    let whole = |segment: &&str| is_any(segment) || segment.starts_with([':', '{']);
    // A star beside other text is what only an expression can say.
    if segments.iter().any(|one| one.contains('*') && !whole(one)) {
        return "a regex, with [^/]* for text within a segment".to_owned();
    }
    // A template, with the names that were given and others where there were none.
    let mut template = String::new();
    for (at, segment) in segments.iter().enumerate() {
        template.push('/');
        if !special(segment) {
            template.push_str(segment);
            continue;
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let name = segment.trim_start_matches(|c| !allowed(c));
        let name = name.split(|c| !allowed(c)).next().unwrap_or_default();
        // At the end a star is the rest of the path; before it, one segment.
        let is_rest = segment.contains('*') && at.saturating_add(1) == segments.len();
        let number = if name.is_empty() { at } else { 0 };
        let name = match (name.is_empty(), is_rest) {
            (false, _) => name,
            (true, true) => "rest",
            (true, false) => "name",
        };
        template.push('{');
        template.push_str(name);
        if number > 0 && !is_rest {
            template.push_str(&number.to_string());
        }
        template.push_str(if is_rest { "+}" } else { "}" });
    }
    format!("template: '{template}'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::pattern::PathPattern;

    #[track_caller]
    fn refuses(path: &str, text: &str) {
        assert_eq!(check(path).unwrap_err().to_string(), text);
    }

    const REGEX: &str = "a regex, with [^/]* for text within a segment";

    #[test]
    fn says_what_was_meant() {
        for (path, meant) in [
            ("/admin/*", "prefix: /admin"),
            ("/admin/**", "prefix: /admin"),
            ("/*", "prefix: /"),
            ("*", "prefix: /"),
            ("/a/*/b", "template: '/a/{name1}/b'"),
            ("/a/*/b/*", "template: '/a/{name1}/b/{rest+}'"),
            ("/*/*/c", "template: '/{name}/{name1}/c'"),
            ("/a/{id}/*", "template: '/a/{id}/{rest+}'"),
            ("/{proxy*}", "template: '/{proxy+}'"),
            ("/a/{*path}", "template: '/a/{path+}'"),
            ("/admin*", REGEX),
            ("/a/*.js", REGEX),
            ("/a/**.js", REGEX),
            ("/a/{id}/x*", REGEX),
        ] {
            refuses(
                path,
                &format!(
                    "found {path:?}; expected no \"*\", which stands for itself; write {meant}"
                ),
            );
        }
        for (path, meant) in [
            ("/users/:id", "template: '/users/{id}'"),
            ("/users/:id/x/:other", "template: '/users/{id}/x/{other}'"),
            ("/users/:id(\\d+)", "template: '/users/{id}'"),
            ("/:", "template: '/{name}'"),
        ] {
            refuses(
                path,
                &format!(
                    "found {path:?}; expected no segment that begins with \":\"; write {meant}"
                ),
            );
        }
    }

    #[test]
    fn every_kind_of_path_but_an_expression_is_refused() {
        for bad in ["/a/*", "/a/:b"] {
            assert!(PathPattern::exact(bad).is_err(), "{bad}");
            assert!(PathPattern::prefix(bad).is_err(), "{bad}");
            assert!(PathPattern::template(bad).is_err(), "{bad}");
            assert!(PathPattern::regex(bad).is_ok(), "{bad}");
        }
        for good in ["/a/%2A", "/a/b:c", "/a/%3Ab"] {
            assert!(PathPattern::exact(good).is_ok(), "{good}");
            assert!(PathPattern::prefix(good).is_ok(), "{good}");
            assert!(PathPattern::template(good).is_ok(), "{good}");
        }
    }
}
