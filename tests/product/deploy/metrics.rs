//! The labels, the dashboard and the alerts, against the metrics of a running Envoy.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

use cognito_authorizer::refusal::Reason;
use regex_lite::Regex;
use serde_json::{Value, json};

use crate::deploy::bootstrap::{PLUGIN, Setup};
use crate::deploy::files;
use crate::deploy::lambda::with_authorizer;
use crate::deploy::revocation::{confirmed, with_list};
use crate::deploy::stack::{GENUINE, Stack};
use crate::harness::client::Request;

/// A label that queries select by, and that looks like a metric.
const LABEL: &str = "envoy_cluster_name";

/// A time series: the metric's name and its labels.
pub(crate) type Series = (String, BTreeMap<String, String>);

/// What Prometheus would read from this text.
pub(crate) fn samples(text: &str) -> BTreeMap<Series, f64> {
    let pair = Regex::new(r#"(\w+)="([^"]*)""#).expect("an expression");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (name, rest) = line.split_once('{')?;
            let (labels, value) = rest.rsplit_once("} ")?;
            let labels = pair.captures_iter(labels);
            let labels = labels.map(|label| (label[1].to_owned(), label[2].to_owned()));
            Some(((name.to_owned(), labels.collect()), value.parse().ok()?))
        })
        .collect()
}

/// The series of the filter and of its VMs.
fn own(mut all: BTreeSet<Series>) -> BTreeSet<Series> {
    all.retain(|(name, _)| name.starts_with("cognito_authorizer") || name.contains("vm_reload"));
    all
}

/// What a scrape with `envoy/prometheus/scrape.yaml` makes of a series.
fn relabel((name, mut labels): Series) -> Series {
    labels.insert("__name__".to_owned(), name);
    let scrape = files::document("prometheus/scrape.yaml");
    let rules = &scrape["scrape_configs"][0]["metric_relabel_configs"];
    for rule in rules.as_array().expect("rules") {
        let source = rule["source_labels"][0].as_str().expect("a label");
        // Prometheus anchors every expression.
        let regex = format!("^(?:{})$", rule["regex"].as_str().expect("an expression"));
        let regex = Regex::new(&regex).expect("an expression");
        if let Some(found) = regex.captures(labels.get(source).map_or("", String::as_str)) {
            let mut value = String::new();
            found.expand(rule["replacement"].as_str().unwrap_or("$1"), &mut value);
            labels.insert(
                rule["target_label"].as_str().expect("a label").to_owned(),
                value,
            );
        }
    }
    let name = labels.remove("__name__").expect("a name");
    (name, labels)
}

/// Names of metrics in queries.
pub(crate) fn metrics_in(queries: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\b(?:envoy|cognito_authorizer)_\w+").expect("an expression");
    let names = name.find_iter(queries).map(|name| name.as_str().to_owned());
    names.filter(|name| name != LABEL).collect()
}

/// Every query of the dashboard or of the alerts, one a line.
pub(crate) fn queries(path: &str) -> String {
    let document = files::document(path);
    let has_query = |value: &Value| value["expr"].is_string() || value["definition"].is_string();
    let mut queries = String::new();
    for query in files::search(&document, &has_query) {
        for member in ["expr", "definition"] {
            queries += query[member].as_str().unwrap_or_default();
            queries.push('\n');
        }
    }
    queries
}

/// The alerts.
pub(crate) const ALERTS: &str = "prometheus/alerts.yaml";

const SOURCES: [&str; 2] = ["grafana/cognito-authorizer.json", ALERTS];

/// What the scraper sees on the port that production.yaml opens for it.
#[track_caller]
fn scrape(stack: &Stack) -> BTreeSet<Series> {
    let answer = Request::get("/stats/prometheus").send(stack.envoy.at("metrics"));
    assert_eq!(answer.status, 200);
    samples(&answer.body).into_keys().collect()
}

/// A deny list, user pools that confirm tokens and a function that decides, none of them there; and
/// rules that ignore and that report.
fn everything(setup: &mut Setup) {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    with_list(setup, nowhere);
    confirmed(setup, nowhere);
    with_authorizer(setup, nowhere);
    let rules = setup.at(&format!("{PLUGIN}/configuration/value/rules"));
    rules.as_array_mut().expect("rules").extend([
        json!({"match": {"prefix": "/page"}, "allow": "optional", "invalid_token": "ignore"}),
        json!({"match": {"prefix": "/new"}, "enforce": "report"}),
    ]);
}

fn with_everything() -> Stack {
    Stack::start(GENUINE, everything)
}

#[test]
fn queries_name_what_a_running_envoy_has() {
    // With all that may be configured: what is not has no metrics.
    let mut stack = with_everything();
    assert_eq!(stack.send(&Request::get("/orders")).status, 401);
    let found = scrape(&stack);
    let names: BTreeSet<_> = found.iter().map(|(name, _)| name.clone()).collect();
    for path in SOURCES {
        let queries = queries(path);
        assert!(!queries.is_empty(), "{path} asks something");
        for metric in metrics_in(&queries) {
            assert!(names.contains(&metric), "{path}: Envoy has no {metric}");
        }
    }
    // Nothing that the filter measures is left off the dashboard.
    let shown = metrics_in(&queries(SOURCES[0]));
    for name in names
        .iter()
        .filter(|name| name.starts_with("cognito_authorizer"))
    {
        assert!(shown.contains(name), "the dashboard does not show {name}");
    }
    // One counter, a label for the reason.
    let reasons: BTreeSet<_> = found
        .iter()
        .filter(|(name, _)| name == "cognito_authorizer_denied")
        .map(|(_, labels)| labels["reason"].clone())
        .collect();
    let codes: BTreeSet<_> = Reason::ALL
        .iter()
        .map(|reason| reason.code().to_owned())
        .collect();
    assert_eq!(reasons, codes);
    stack.finish();
}

/// A query for a reason that does not exist finds nothing, for ever, without an error.
#[test]
fn queries_select_labels_that_exist() {
    let selector = Regex::new(r#"(reason|result)=~?"([^"]*)""#).expect("an expression");
    let mut known: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    known.extend(["success", "failure", "unchanged", "hit", "miss"]);
    known.extend(["confirmed", "refused", "unknown"]);
    known.extend(["called", "remembered", "failed"]);
    let mut count = 0;
    for path in SOURCES {
        for found in selector.captures_iter(&queries(path)) {
            for value in found[2].split('|') {
                assert!(known.contains(value), "{path}: {}={value}", &found[1]);
                count += 1;
            }
        }
    }
    assert!(count >= 10, "only {count} selectors were found");
}

/// The demo has the labels of production: dashboard and alerts work on `make run`, too.
#[test]
fn the_demo_has_the_same_labels() {
    let production = &files::document("production.yaml")["stats_config"];
    assert_eq!(&files::document("envoy.yaml")["stats_config"], production);
}

/// Istio and Envoy Gateway seldom set `stats_tags`; the scraper makes up for it.
#[test]
fn relabelling_gives_the_labels_of_the_stats_tags() {
    let mut stack = with_everything();
    assert_eq!(stack.send(&Request::get("/orders")).status, 401);
    let tagged = own(scrape(&stack));
    stack.finish();
    let mut stack = Stack::start(GENUINE, |setup| {
        everything(setup);
        *setup.at("/stats_config") = json!({});
    });
    assert_eq!(stack.send(&Request::get("/orders")).status, 401);
    let plain = own(scrape(&stack));
    stack.finish();
    assert_ne!(plain, tagged, "without stats_tags there are no labels");
    let relabelled: BTreeSet<_> = plain.into_iter().map(relabel).collect();
    assert_eq!(relabelled, tagged);
    let again: BTreeSet<_> = tagged.iter().cloned().map(relabel).collect();
    assert_eq!(again, tagged, "what has its labels passes unchanged");
}

/// Whoever reaches Envoy's admin interface can stop it.
#[test]
fn the_metrics_port_offers_metrics_only() {
    let stack = Stack::start(GENUINE, |_| {});
    let metrics = stack.envoy.at("metrics");
    for (request, status) in [
        (Request::get("/stats/prometheus"), 200),
        (Request::get("/stats"), 404),
        (Request::get("/config_dump"), 404),
        (Request::new("POST", "/stats/prometheus"), 404),
        (Request::new("POST", "/quitquitquit"), 404),
    ] {
        assert_eq!(request.send(metrics).status, status, "{}", request.case());
    }
    stack.finish();
}

/// Panels lie side by side, and each asks the data source that the user chose.
#[test]
fn the_dashboard_is_laid_out() {
    let dashboard = files::document(SOURCES[0]);
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        assert!(
            ids.insert(panel["id"].as_u64().expect("an id")),
            "{title}: id"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let place = |side: &str| panel["gridPos"][side].as_u64().expect("a place");
        assert!(
            place("x") + place("w") <= 24,
            "{title} ends right of the grid"
        );
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} lies over another panel");
            }
        }
        for target in panel["targets"].as_array().expect("queries") {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
    let variables = dashboard["templating"]["list"]
        .as_array()
        .expect("variables");
    let known: BTreeSet<_> = variables
        .iter()
        .map(|variable| variable["name"].as_str().expect("a name"))
        .collect();
    let used = Regex::new(r"\$\{?([a-z]+)\b").expect("an expression");
    for found in used.captures_iter(&dashboard.to_string()) {
        assert!(known.contains(&found[1]), "no variable ${}", &found[1]);
    }
}
