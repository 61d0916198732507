//! As much of Markdown as these pages use: fenced snippets, tables, code spans, links, headings.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// All pages of the repository.
pub(crate) struct Pages {
    pub(crate) all: Vec<Page>,
}

/// A page, read.
pub(crate) struct Page {
    /// Its file, from the top of the repository.
    pub(crate) path: String,
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
    /// File and line.
    pub(crate) place: String,
}

/// A table, its cells trimmed.
pub(crate) struct Table {
    /// What the comment before it says.
    pub(crate) marker: Option<String>,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// File and line.
    pub(crate) place: String,
}

/// The text of a file of the repository.
#[track_caller]
pub(crate) fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where pages are. What a build or a package manager leaves beside them is none.
const FOLDERS: [&str; 4] = [".github", "envoy", "src", "tests"];
const FOREIGN: [&str; 2] = ["node_modules", "target"];

fn collect(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !FOREIGN.contains(&&*name) {
            collect(&path, found);
        } else if name.ends_with(".md") {
            let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR"));
            found.push(path.expect("below the top").display().to_string());
        }
    }
}

impl Pages {
    pub(crate) fn read() -> Self {
        let mut paths = vec!["README.md".to_owned(), "CHANGELOG.md".to_owned()];
        let top = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        for folder in FOLDERS {
            collect(&top.join(folder), &mut paths);
        }
        paths.sort_unstable();
        let all = paths.iter().map(|path| Page::read(path)).collect();
        Self { all }
    }

    pub(crate) fn snippets(&self) -> impl Iterator<Item = &Snippet> {
        self.all.iter().flat_map(Page::snippets)
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.all.iter().flat_map(Page::tables)
    }

    /// The snippets whose marker begins with these words, each with the words after them.
    pub(crate) fn marked<'a>(
        &'a self,
        words: &'a str,
    ) -> impl Iterator<Item = (&'a Snippet, &'a str)> {
        self.all.iter().flat_map(move |page| page.marked(words))
    }

    /// The one table with this marker, wherever it stands.
    #[track_caller]
    pub(crate) fn table(&self, marker: &str) -> &Table {
        one(self.tables(), marker)
    }

    /// The page on which the one table with this marker stands.
    #[track_caller]
    pub(crate) fn page_of(&self, marker: &str) -> &Page {
        let mut pages = self.all.iter();
        let page = pages.find(|page| page.tables().any(|table| table.is(marker)));
        page.unwrap_or_else(|| panic!("no table is marked {marker:?}"))
    }
}

/// The one of the tables with this marker.
#[track_caller]
fn one<'a>(tables: impl Iterator<Item = &'a Table>, marker: &str) -> &'a Table {
    let mut found = tables.filter(|table| table.is(marker));
    let table = found
        .next()
        .unwrap_or_else(|| panic!("no table is marked {marker:?}"));
    assert!(found.next().is_none(), "two tables are marked {marker:?}");
    table
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        let text = file(path);
        let place = |line: usize| format!("{path}:{line}");
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
                    place: place(at),
                }));
            } else if line.starts_with('|') {
                let mut rows = vec![cells(line)];
                while let Some((_, row)) = lines.next_if(|(_, line)| line.starts_with('|')) {
                    rows.push(cells(row));
                }
                let head = rows.remove(0);
                assert!(
                    rows.remove(0).iter().all(|cell| cell == "---"),
                    "{}: no table",
                    place(at)
                );
                for row in &rows {
                    assert_eq!(
                        row.len(),
                        head.len(),
                        "{}: a row of another length: {row:?}",
                        place(at)
                    );
                }
                blocks.push(Block::Table(Table {
                    marker: marker.take(),
                    head,
                    rows,
                    place: place(at),
                }));
            } else if let Some(says) = comment(line) {
                marker = Some(says.to_owned());
            } else if !line.is_empty() {
                assert_eq!(
                    marker,
                    None,
                    "{}: the comment before it marks nothing",
                    place(at)
                );
            }
        }
        Self {
            path: path.to_owned(),
            text,
            blocks,
        }
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
            // Whole words: `rules` is no beginning of `rulesets`.
            let whole = rest.is_empty() || rest.starts_with(' ') || words.ends_with(' ');
            whole.then(|| (snippet, rest.trim()))
        })
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Table(table) => Some(table),
            Block::Snippet(_) => None,
        })
    }

    /// The one table of this page with this marker.
    #[track_caller]
    pub(crate) fn table(&self, marker: &str) -> &Table {
        one(self.tables(), marker)
    }
}

impl Block {
    pub(crate) fn marker(&self) -> Option<&str> {
        match self {
            Self::Snippet(snippet) => snippet.marker.as_deref(),
            Self::Table(table) => table.marker.as_deref(),
        }
    }

    pub(crate) fn place(&self) -> &str {
        match self {
            Self::Snippet(snippet) => &snippet.place,
            Self::Table(table) => &table.place,
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
            other => panic!("{}: {other} is no data", self.place),
        };
        read.unwrap_or_else(|error| panic!("{}: {error}", self.place))
    }
}

impl Table {
    pub(crate) fn is(&self, marker: &str) -> bool {
        self.marker.as_deref() == Some(marker)
    }

    /// The column of this name.
    #[track_caller]
    pub(crate) fn column(&self, name: &str) -> usize {
        let found = self
            .head
            .iter()
            .position(|head| head.replace('`', "") == name);
        found.unwrap_or_else(|| panic!("{}: no column is called {name}", self.place))
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
