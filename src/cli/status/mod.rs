//! `status`: whether tokens are checked now, and what is in the way. For a small screen at night.

mod admin;
mod running;
mod screen;
mod statistics;

use crate::REFUSED;
use admin::Admin;
use anyhow::ensure;
use cognito_authorizer::percent;
use running::Running;
use screen::Screen;
use statistics::Statistics;
use std::io::Write;
use std::process::ExitCode;

/// Shows how the authorizer in a running Envoy is: keys, key cluster, refusals, on one screen.
///
/// Asks Envoy's admin interface, and changes nothing. What is wrong has a `!` before it, and the exit
/// status is then 1: a token that would get 503 for want of keys or of a deny list, a key cluster
/// without hosts, requests that go on though they should be refused (`enforce: report`).
/// Numbers are counted since Envoy started.
///
/// With Istio, the port of the admin interface is 15000, with Envoy Gateway 19000:
///
///   kubectl port-forward POD 15000 & cognito-authorizer status localhost:15000
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Envoy's admin interface
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:9901", value_parser = admin::base)]
    admin: String,
}

/// The kinds of refusals, and of what is only reported, that are shown.
const MOST: usize = 5;

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let admin = Admin::new(&args.admin);
    let server = admin.json("/server_info")?;
    ensure!(
        server
            .get("version")
            .is_some_and(serde_json::Value::is_string),
        "{}/server_info: found no version; expected Envoy's admin interface",
        args.admin
    );
    let statistics = admin.get(&format!("/stats?filter={}", encoded(Statistics::FILTER)))?;
    let statistics = Statistics::of(&statistics);
    // Without it there is less to say, but no less is true.
    let running = admin
        .get("/config_dump")
        .ok()
        .and_then(|dump| Running::of(&dump));
    ensure!(
        statistics.is_ours() || running.is_some(),
        "{}: found nothing of the authorizer in this Envoy",
        args.admin
    );
    let mut screen = Screen::default();
    running::server(&server, &statistics, &mut screen);
    let running = running.unwrap_or_default();
    running::requests(&statistics, &mut screen);
    running.keys(&statistics, &mut screen);
    let clusters = running.clusters();
    if !clusters.is_empty() {
        let filter = Statistics::of_clusters(&clusters, &running::FAILURES.map(|(name, _)| name));
        let failures = admin.get(&format!("/stats?filter={}", encoded(&filter)))?;
        let hosts = admin.json("/clusters?format=json")?;
        running::clusters(&clusters, &hosts, &Statistics::of(&failures), &mut screen);
    }
    running::refused(&statistics, &mut screen);
    running::reported(&statistics, &mut screen);
    running.deny_list(&statistics, &mut screen);
    running::confirmations(&statistics, &mut screen);
    running::authorizers(&statistics, &mut screen);
    let status = match screen.wrong {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(REFUSED),
    };
    out.write_all(screen.text().as_bytes())?;
    Ok(status)
}

/// A text as a value of a query (RFC 3986, section 2.1).
fn encoded(text: &str) -> String {
    percent::encoded(text.as_bytes(), |byte| byte.is_ascii_alphanumeric())
}
