//! As much of Markdown as these pages use: fenced snippets, tables, code spans, links, headings.

use serde_json::Value;
use std::path::PathBuf;

/// A page, read.
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) blocks: Vec<Block>,
}

/// A part of a page that can be checked.
pub(crate) enum Block {
    Snippet(Snippet),
    Table(Table),
}

/// What stands between two fences.
pub(crate) struct Snippet {
    /// What the comment before it says.
    pub(crate) marker: Option<String>,
    pub(crate) language: String,
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// A table, its cells trimmed.
pub(crate) struct Table {
    /// What the comment before it says.
    pub(crate) marker: Option<String>,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) line: usize,
}

/// The text of a file of the repository.
#[track_caller]
pub(crate) fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Page {
    pub(crate) fn readme() -> Self {
        Self::read("README.md")
    }

    pub(crate) fn security() -> Self {
        Self::read(".github/SECURITY.md")
    }

    pub(crate) fn read(path: &str) -> Self {
        let text = file(path);
        let mut blocks = Vec::new();
        let mut marker: Option<String> = None;
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
            .peekable();
        while let Some((at, line)) = lines.next() {
            if let Some(language) = line.strip_prefix("```") {
                let inside = lines.by_ref().map(|(_, line)| line);
                let inside: Vec<_> = inside.take_while(|line| *line != "```").collect();
                blocks.push(Block::Snippet(Snippet {
                    marker: marker.take(),
                    language: language.to_owned(),
                    text: inside.join("\n") + "\n",
                    line: at,
                }));
            } else if line.starts_with('|') {
                let mut rows = vec![cells(line)];
                while let Some((_, row)) = lines.next_if(|(_, line)| line.starts_with('|')) {
                    rows.push(cells(row));
                }
                let head = rows.remove(0);
                assert!(
                    rows.remove(0).iter().all(|cell| cell == "---"),
                    "line {at}: no table"
                );
                for row in &rows {
                    assert_eq!(
                        row.len(),
                        head.len(),
                        "line {at}: a row of another length: {row:?}"
                    );
                }
                blocks.push(Block::Table(Table {
                    marker: marker.take(),
                    head,
                    rows,
                    line: at,
                }));
            } else if let Some(says) = comment(line) {
                marker = Some(says.to_owned());
            } else if !line.is_empty() {
                assert_eq!(
                    marker, None,
                    "line {at}: the comment before it marks nothing"
                );
            }
        }
        Self { text, blocks }
    }

    pub(crate) fn snippets(&self) -> impl Iterator<Item = &Snippet> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Snippet(snippet) => Some(snippet),
            Block::Table(_) => None,
        })
    }

    /// The snippets whose marker begins with these words, each with the words after them.
    pub(crate) fn marked<'a>(
        &'a self,
        words: &'a str,
    ) -> impl Iterator<Item = (&'a Snippet, &'a str)> {
        self.snippets().filter_map(move |snippet| {
            let rest = snippet.marker.as_deref()?.strip_prefix(words)?;
            Some((snippet, rest.trim()))
        })
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Table(table) => Some(table),
            Block::Snippet(_) => None,
        })
    }

    /// The one table with this marker.
    #[track_caller]
    pub(crate) fn table(&self, marker: &str) -> &Table {
        let mut found = self
            .tables()
            .filter(|table| table.marker.as_deref() == Some(marker));
        let table = found
            .next()
            .unwrap_or_else(|| panic!("no table is marked {marker:?}"));
        assert!(found.next().is_none(), "two tables are marked {marker:?}");
        table
    }
}

impl Block {
    pub(crate) fn marker(&self) -> Option<&str> {
        match self {
            Self::Snippet(snippet) => snippet.marker.as_deref(),
            Self::Table(table) => table.marker.as_deref(),
        }
    }

    pub(crate) const fn line(&self) -> usize {
        match self {
            Self::Snippet(snippet) => snippet.line,
            Self::Table(table) => table.line,
        }
    }
}

impl Snippet {
    /// The snippet as the YAML or JSON that it is.
    #[track_caller]
    pub(crate) fn value(&self) -> Value {
        let read = match self.language.as_str() {
            "json" => serde_json::from_str(&self.text).map_err(|error| error.to_string()),
            "yaml" => serde_yaml_ng::from_str(&self.text).map_err(|error| error.to_string()),
            other => panic!("line {}: {other} is no data", self.line),
        };
        read.unwrap_or_else(|error| panic!("line {}: {error}", self.line))
    }
}

impl Table {
    /// The column of this name.
    #[track_caller]
    pub(crate) fn column(&self, name: &str) -> usize {
        let found = self
            .head
            .iter()
            .position(|head| head.replace('`', "") == name);
        found.unwrap_or_else(|| panic!("line {}: no column is called {name}", self.line))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.head.iter().any(|head| head == name)
    }
}

/// What a line says that is nothing but a comment.
fn comment(line: &str) -> Option<&str> {
    Some(line.strip_prefix("<!--")?.strip_suffix("-->")?.trim())
}

fn cells(line: &str) -> Vec<String> {
    let inner = line
        .trim()
        .trim_start_matches('|')
        .strip_suffix('|')
        .expect("a row ends in |");
    inner
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

/// The code spans of a text.
pub(crate) fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The only code span of a cell that is nothing else.
#[track_caller]
pub(crate) fn span(cell: &str) -> &str {
    let inner = cell
        .strip_prefix('`')
        .and_then(|cell| cell.strip_suffix('`'));
    inner.unwrap_or_else(|| panic!("{cell:?} is no code span"))
}
