//! Pictures of a terminal, made of what the tool prints: `SNAPSHOTS=overwrite` makes them anew; look at
//! them before they are kept.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anstyle::{Color, RgbColor};
use anstyle_svg::{Palette, Term};

/// Foreground, background, and the sixteen colours of a terminal.
struct Theme {
    name: &'static str,
    foreground: RgbColor,
    background: RgbColor,
    red: RgbColor,
    green: RgbColor,
    yellow: RgbColor,
    blue: RgbColor,
    magenta: RgbColor,
    cyan: RgbColor,
}

/// Each readable on its background: contrasts of 4.5 and more (WCAG 2, 1.4.3).
const THEMES: [Theme; 2] = [
    Theme {
        name: "light",
        foreground: RgbColor(0x1f, 0x23, 0x28),
        background: RgbColor(0xf6, 0xf8, 0xfa),
        red: RgbColor(0xcf, 0x22, 0x2e),
        green: RgbColor(0x11, 0x63, 0x29),
        yellow: RgbColor(0x7d, 0x4e, 0x00),
        blue: RgbColor(0x09, 0x69, 0xda),
        magenta: RgbColor(0x82, 0x50, 0xdf),
        cyan: RgbColor(0x1b, 0x7c, 0x83),
    },
    Theme {
        name: "dark",
        foreground: RgbColor(0xf0, 0xf6, 0xfc),
        background: RgbColor(0x15, 0x1b, 0x23),
        red: RgbColor(0xff, 0x7b, 0x72),
        green: RgbColor(0x56, 0xd3, 0x64),
        yellow: RgbColor(0xe3, 0xb3, 0x41),
        blue: RgbColor(0x79, 0xc0, 0xff),
        magenta: RgbColor(0xd2, 0xa8, 0xff),
        cyan: RgbColor(0x56, 0xd4, 0xdd),
    },
];

impl Theme {
    fn picture(&self, terminal: &str) -> String {
        let dim = match self.name {
            "light" => RgbColor(0x59, 0x63, 0x6e),
            _ => RgbColor(0x91, 0x98, 0xa1),
        };
        let eight = [
            self.background,
            self.red,
            self.green,
            self.yellow,
            self.blue,
            self.magenta,
            self.cyan,
            self.foreground,
        ];
        let mut sixteen = [dim; 16];
        for (at, colour) in eight.into_iter().enumerate() {
            sixteen[at] = colour;
            sixteen[at + 8] = if at == 0 { dim } else { colour };
        }
        let term = Term::new()
            .palette(Palette::from(sixteen))
            .fg_color(Color::Rgb(self.foreground))
            .bg_color(Color::Rgb(self.background));
        let svg = term.render_svg(terminal);
        // With a view box the picture shrinks with its page, and is not cut off.
        let size = |name: &str| {
            let (_, after) = svg.split_once(&format!(" {name}=\"")).expect(name);
            after.split_once("px").expect("pixels").0.to_owned()
        };
        let view = format!("<svg viewBox=\"0 0 {} {}\" ", size("width"), size("height"));
        svg.replacen("<svg ", &view, 1)
    }
}

/// What a terminal shows of a command line, which the pages have as text, too.
fn terminal(arguments: &[&str], input: Option<&str>) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/desk/readme");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"));
    command
        .args(arguments)
        .current_dir(&folder)
        .env("CLICOLOR_FORCE", "1")
        .env("COLUMNS", "100")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    if let Some(input) = input {
        let file = std::fs::File::open(folder.join(input)).expect(input);
        command.stdin(file);
    }
    let output = command.output().expect("the tool starts");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(printed.contains("\u{1b}["), "no colours in {printed}");
    let mut line = format!("$ cognito-authorizer {}", arguments.join(" "));
    if let Some(input) = input {
        line += &format!(" < {input}");
    }
    format!("{}\n{}", folded(&line), printed.trim_end())
}

/// A command line as somebody would write it who has a hundred columns.
fn folded(line: &str) -> String {
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        let last = lines.last_mut().expect("a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.len() + word.len() > 96 {
            last.push_str(" \\");
            lines.push(format!("    {word}"));
        } else {
            *last += &format!(" {word}");
        }
    }
    lines.join("\n")
}

#[test]
fn pictures_show_what_the_tool_prints() {
    let explain = [
        "explain",
        "--config",
        "authorizer.yaml",
        "--jwks",
        "jwks.json",
        "--now",
        "2026-03-01T08:50:00Z",
        "--method",
        "POST",
        "--path",
        "/orders",
        "--token",
        "-",
    ];
    let mut wrong = Vec::new();
    for (name, arguments, input) in [
        ("check", &["check", "draft.yaml"][..], None),
        ("explain", &explain[..], Some("token.txt")),
    ] {
        let shown = terminal(arguments, input);
        for theme in THEMES {
            let file = format!("tests/desk/pictures/{name}-{}.svg", theme.name);
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(&file);
            let picture = theme.picture(&shown);
            if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                std::fs::write(&path, &picture).expect("a writable file");
            }
            if std::fs::read_to_string(&path).unwrap_or_default() != picture {
                wrong.push(file);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?} show something else");
}
