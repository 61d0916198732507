//! The picture of the way of a request: whatever it names, the product knows.

use std::collections::BTreeSet;

use cognito_authorizer::refusal::Reason;
use cognito_authorizer::reply::Style;
use cognito_authorizer::step::Step;
use serde_json::Value;

use crate::deploy::files;
use crate::harness::markdown::{Pages, file};
use crate::pages::configurations::{minimum, parse};
use crate::pages::replies::reply;

const LIGHT: &str = "envoy/pictures/request-light.svg";
const DARK: &str = "envoy/pictures/request-dark.svg";

/// The colours of the light picture, and those of the dark one in their places.
const COLOURS: [(&str, &str); 10] = [
    ("#1f2328", "#f0f6fc"),
    ("#59636e", "#9198a1"),
    ("#0550ae", "#79c0ff"),
    ("#116329", "#56d364"),
    ("#a40e26", "#ff7b72"),
    ("#ffffff", "#0d1117"),
    ("#f6f8fa", "#151b23"),
    ("#ddf4ff", "#0c2a4a"),
    ("#0969da", "#4493f8"),
    ("#d1d9e0", "#3d444d"),
];

/// What is no name of anything.
const PROSE: [&str; 7] = [
    "Envoy",
    "client",
    "your service",
    "Amazon Cognito",
    "keys, once per Envoy process,",
    "at least every 15 minutes",
    "The client gets the status, your access log the reason.",
];

/// Class and text of each text of a picture.
fn texts(picture: &str) -> Vec<(&str, &str)> {
    let texts = picture.split("<text class=\"").skip(1);
    let texts = texts.map(|text| {
        let (class, rest) = text.split_once('"').expect("a class");
        let (_, rest) = rest.split_once('>').expect("an element");
        (class, rest.split_once("</text>").expect("a text").0)
    });
    texts.collect()
}

/// The names of filters before production's upstream, without the prefix of Envoy's own.
fn filters() -> Vec<String> {
    let production = files::document("production.yaml");
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let manager = production.pointer(manager).expect("a connection manager");
    let filters = manager["http_filters"].as_array().expect("filters").iter();
    let names = filters.filter_map(|filter| filter["name"].as_str());
    let names = names.map(|name| name.rsplit('.').next().unwrap_or(name).to_owned());
    names.collect()
}

/// The names of headers that production's filter reads and writes, and the end of where keys are.
fn headers() -> Vec<String> {
    let production = files::document("production.yaml");
    let mut found = vec!["authorization: Bearer".to_owned()];
    let mut trees = vec![&production];
    while let Some(tree) = trees.pop() {
        match tree {
            Value::Object(members) => {
                let written = tree["claim_headers"].as_array().into_iter().flatten();
                let names = written.filter_map(|header| header["header"].as_str());
                found.extend(names.map(str::to_owned));
                trees.extend(members.values());
            }
            Value::Array(elements) => trees.extend(elements),
            _ => {}
        }
    }
    found
}

#[test]
fn the_picture_names_what_there_is() {
    let picture = file(LIGHT);
    let texts = texts(&picture);
    let of = |class: &str| {
        let texts = texts.iter().filter(|(of, _)| *of == class);
        texts.map(|(_, text)| *text).collect::<Vec<_>>()
    };
    let prose: BTreeSet<_> = of("title").into_iter().chain(of("note")).collect();
    assert_eq!(prose, BTreeSet::from(PROSE));
    // In the order in which a request meets them.
    assert_eq!(of("filter"), filters());
    let steps: Vec<_> = Step::ALL.iter().map(|step| step.name()).collect();
    for step in of("step") {
        assert!(steps.contains(&step), "{step} is no step");
    }
    let shown = of("header").join(" ").replace(": …", "").replace(" …", "");
    let (shown, keys) = shown.rsplit_once(" /").expect("where keys are");
    let mut rest = shown.to_owned();
    for known in headers() {
        rest = rest.replace(&known, "");
    }
    assert_eq!(rest.trim(), "", "no such headers");
    let policy = parse(&minimum()).unwrap_or_else(|problems| panic!("{problems}"));
    let printed = format!("{policy:#?}");
    assert!(printed.contains(&format!("/{keys}\"")), "{keys}");
    // The tables of fields are held to the reader of configurations.
    let pages = Pages::read();
    let fields = pages.table("fields of jwks");
    let mut rows = fields.rows.iter();
    let interval = rows.find(|row| row[0] == "`refresh_interval`");
    assert_eq!(interval.expect("a row")[fields.column("default")], "`15m`");
    // Each status, with reasons that get it.
    let pairs: Vec<_> = of("status").into_iter().zip(of("reason")).collect();
    assert_eq!(pairs.len(), 4);
    for (status, reasons) in pairs {
        for code in reasons.split(", ") {
            let reason = Reason::ALL.into_iter().find(|reason| reason.code() == code);
            let reason = reason.unwrap_or_else(|| panic!("{code} is no reason"));
            let given = reply(Style::Rfc6750, reason, &[]).status.to_string();
            assert_eq!(given, status, "{code}");
        }
    }
    let classes = [
        "title", "note", "filter", "step", "header", "status", "reason",
    ];
    for (class, text) in texts {
        assert!(classes.contains(&class), "{text} is of no kind");
    }
}

/// The dark picture is the light one in other colours. `SNAPSHOTS=overwrite` makes it anew.
#[test]
fn the_dark_picture_is_the_light_one() {
    let mut dark = file(LIGHT);
    for (light, other) in COLOURS {
        assert!(dark.contains(light), "{light} is not used");
        dark = dark.replace(light, other);
    }
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        let path = format!("{}/{DARK}", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, &dark).expect("a writable file");
    }
    assert!(file(DARK) == dark, "{DARK} is not {LIGHT} in other colours");
}

/// Every picture has both colours, and each page shows them by the theme of its reader.
#[test]
fn pictures_follow_the_theme() {
    let mut shown = 0;
    for page in Pages::read().all {
        for picture in page.text.split("<picture>").skip(1) {
            let (picture, _) = picture.split_once("</picture>").expect("its end");
            let attribute = |name: &str| {
                let (_, rest) = picture.split_once(&format!("{name}=\"")).expect(name);
                rest.split('"').next().expect("a value").to_owned()
            };
            let (dark, light) = (attribute("srcset"), attribute("src"));
            assert_eq!(attribute("media"), "(prefers-color-scheme: dark)");
            assert_eq!(dark, light.replace("-light.svg", "-dark.svg"));
            assert!(!attribute("alt").is_empty());
            let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            for path in [dark, light] {
                let svg = file(format!("{folder}/{path}").trim_start_matches('/'));
                assert!(svg.starts_with("<svg "), "{path}");
            }
            shown += 1;
        }
    }
    assert!(shown >= 2, "{shown} pictures");
}
