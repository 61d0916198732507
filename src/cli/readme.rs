//! The README's tables, which the tool speaks from, so that page and tool say the same.

/// The page, as it was when the tool was built.
const TEXT: &str = include_str!("../../README.md");

/// The rows of the one table under `<!-- marker -->`, without its head. A test of the page holds
/// every table to its form.
pub(crate) fn table(marker: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let comment = format!("<!-- {marker} -->\n");
    let (_, table) = TEXT.split_once(&comment).unwrap_or_default();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.skip(2)
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// A cell as plain text: of a link its words, and where it leads.
pub(crate) fn plain(cell: &str) -> String {
    let Some((before, words, target, after)) = link(cell) else {
        return cell.to_owned();
    };
    let file = match target.starts_with('#') {
        true => "README.md",
        false => "",
    };
    format!("{before}{words} ({file}{target}){}", plain(after))
}

/// A cell as plain text, without where its links lead.
pub(crate) fn words(cell: &str) -> String {
    match link(cell) {
        Some((before, words, _, after)) => format!("{before}{words}{}", self::words(after)),
        None => cell.to_owned(),
    }
}

/// What stands before the first link, its words, its target, and what stands after it.
fn link(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (before, rest) = text.split_once('[')?;
    let (words, rest) = rest.split_once("](")?;
    let (target, after) = rest.split_once(')')?;
    Some((before, words, target, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_say_where_they_lead() {
        assert_eq!(plain("no `link` here"), "no `link` here");
        assert_eq!(
            plain("a [b c](#d) and [e](f/g.md#h)."),
            "a b c (README.md#d) and e (f/g.md#h)."
        );
        assert_eq!(words("a [b c](#d) and [e](f/g.md#h)."), "a b c and e.");
        assert_eq!(plain("`[{header: a}]` (b)"), "`[{header: a}]` (b)");
    }

    #[test]
    fn tables_are_found_by_their_markers() {
        let first = table("reasons").next().unwrap();
        assert_eq!(first.len(), 4);
        assert_eq!(first.first(), Some(&"`missing_token`"));
        assert_eq!(table("no such table").count(), 0);
    }
}
