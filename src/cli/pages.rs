//! Tables of the pages, which the tool speaks from, so that page and tool say the same.

/// The pages that have them, as they were when the tool was built: path and text.
const PAGES: [(&str, &str); 2] = [
    (
        "envoy/CONFIGURATION.md",
        include_str!("../../envoy/CONFIGURATION.md"),
    ),
    (
        "envoy/OPERATIONS.md",
        include_str!("../../envoy/OPERATIONS.md"),
    ),
];

/// A row of a table.
pub(crate) struct Row {
    page: &'static str,
    cells: Vec<&'static str>,
}

/// The rows of the one table under `<!-- marker -->`, without its head. A test of the pages holds
/// every table to its form.
pub(crate) fn table(marker: &str) -> impl Iterator<Item = Row> + use<> {
    let comment = format!("<!-- {marker} -->\n");
    let found = PAGES
        .into_iter()
        .find_map(|(page, text)| Some((page, text.split_once(&comment)?.1)));
    let (page, table) = found.unwrap_or_default();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.skip(2).map(move |row| {
        let cells = row.trim_matches('|').split('|').map(str::trim).collect();
        Row { page, cells }
    })
}

impl Row {
    /// Whether this code stands in the first cell.
    pub(crate) fn is_of(&self, code: &str) -> bool {
        let inner = self.cells.first().and_then(|cell| cell.strip_prefix('`'));
        inner.and_then(|cell| cell.strip_suffix('`')) == Some(code)
    }

    /// A cell as plain text: of a link its words, and where it leads.
    pub(crate) fn plain(&self, column: usize) -> Option<String> {
        Some(plain(self.page, self.cells.get(column)?))
    }

    /// The last cell in the same way.
    pub(crate) fn last(&self) -> Option<String> {
        Some(plain(self.page, self.cells.last()?))
    }

    /// A cell as plain text, without where its links lead.
    pub(crate) fn words(&self, column: usize) -> Option<String> {
        Some(words(self.cells.get(column)?))
    }
}

/// A text of a page, with its links as paths from the top of the repository.
fn plain(page: &str, text: &str) -> String {
    let Some((before, words, target, after)) = link(text) else {
        return text.to_owned();
    };
    let (folder, _) = page.rsplit_once('/').unwrap_or_default();
    let (folder, target) = match target.strip_prefix("../") {
        // No page with such a table is deeper than one folder.
        Some(target) => ("", target),
        None => (folder, target),
    };
    let path = match (folder, target.starts_with('#')) {
        (_, true) => format!("{page}{target}"),
        ("", false) => target.to_owned(),
        (folder, false) => format!("{folder}/{target}"),
    };
    format!("{before}{words} ({path}){}", plain(page, after))
}

fn words(text: &str) -> String {
    match link(text) {
        Some((before, words, _, after)) => format!("{before}{words}{}", self::words(after)),
        None => text.to_owned(),
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
        let plain = |text| plain("envoy/RULES.md", text);
        assert_eq!(plain("no `link` here"), "no `link` here");
        assert_eq!(
            plain("a [b c](#d), [e](F.md#g), [h](istio/README.md) and [i](../README.md#j)."),
            "a b c (envoy/RULES.md#d), e (envoy/F.md#g), h (envoy/istio/README.md) and i (README.md#j)."
        );
        assert_eq!(words("a [b c](#d) and [e](f/g.md#h)."), "a b c and e.");
        assert_eq!(plain("`[{header: a}]` (b)"), "`[{header: a}]` (b)");
    }

    #[test]
    fn tables_are_found_by_their_markers() {
        let first = table("reasons").next().unwrap();
        assert!(first.is_of("missing_token") && !first.is_of("missing"));
        assert_eq!(first.words(1).as_deref(), Some("401"));
        assert_eq!((first.plain(3).is_some(), first.plain(4)), (true, None));
        assert_eq!(table("no such table").count(), 0);
    }
}
