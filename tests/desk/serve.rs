//! `serve`, and the image that starts with it.

use crate::harness::client::Request;
use crate::harness::process::{discard, eventually_within, free_ports, module, provided, stop};
use crate::init::POOL;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// All of them, so that none comes from where the tests run.
const NAMES: [&str; 13] = [
    "POOL",
    "CLIENT_ID",
    "UPSTREAM",
    "USE",
    "ORIGIN",
    "ISSUER",
    "LISTEN",
    "CERT",
    "KEY",
    "MODULE",
    "TRUSTED_CA",
    "ADMIN_PORT",
    "METRICS_PORT",
];

fn tool(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"));
    NAMES.iter().for_each(|name| {
        command.env_remove(name);
    });
    let variables = variables.iter().copied();
    let command = command.args(arguments).envs(variables);
    command.output().expect("the tool starts")
}

#[test]
fn variables_are_the_options_of_init() {
    let module = module();
    let served = tool(
        &["serve", "--print"],
        &[
            ("POOL", "eu-west-1_Zz9, cn-north-1_A1"),
            (
                "CLIENT_ID",
                "eu-west-1_Zz9=12e5,cn-north-1_A1=b,cn-north-1_A1=c",
            ),
            ("UPSTREAM", "http://host.docker.internal:3000"),
            ("USE", "any"),
            ("ORIGIN", "https://app.acme.io,http://localhost:3000"),
            ("ISSUER", ""),
            ("LISTEN", "127.0.0.1:8081"),
            ("MODULE", &module),
            ("ADMIN_PORT", "9911"),
        ],
    );
    let written = tool(
        &[
            "init",
            "-o",
            "-",
            "--for",
            "envoy",
            "--pool",
            "eu-west-1_Zz9",
            "--pool",
            "cn-north-1_A1",
            "--client",
            "eu-west-1_Zz9=12e5",
            "--client",
            "cn-north-1_A1=b",
            "--client",
            "cn-north-1_A1=c",
            "--upstream",
            "host.docker.internal:3000",
            "--use",
            "any",
            "--origin",
            "https://app.acme.io",
            "--origin",
            "http://localhost:3000",
            "--listen",
            "127.0.0.1:8081",
            "--module",
            &module,
            "--admin-port",
            "9911",
        ],
        &[],
    );
    assert_eq!(served.status.code(), Some(0), "{served:?}");
    assert_eq!(written.status.code(), Some(0), "{written:?}");
    assert!(served.stdout == written.stdout && !served.stdout.is_empty());
}

#[test]
fn what_is_missing_or_wrong_is_said_by_its_variable() {
    for (variables, words) in [
        (
            &[][..],
            "missing POOL, CLIENT_ID, UPSTREAM; expected environment variables",
        ),
        (
            &[("POOL", POOL), ("CLIENT_ID", " ")],
            "missing CLIENT_ID, UPSTREAM;",
        ),
        (
            &[("POOL", "pool"), ("CLIENT_ID", "a"), ("UPSTREAM", "a:1")],
            "error: POOL: invalid value 'pool'",
        ),
        (
            &[("POOL", POOL), ("CLIENT_ID", "a,any"), ("UPSTREAM", "a:1")],
            "error: CLIENT_ID: invalid value 'any'",
        ),
        (
            &[("POOL", POOL), ("CLIENT_ID", "a"), ("UPSTREAM", "a")],
            "error: UPSTREAM: invalid value 'a'",
        ),
        (
            &[
                ("POOL", POOL),
                ("CLIENT_ID", "a"),
                ("UPSTREAM", "a:1"),
                ("CERT", "a.crt"),
            ],
            "--key",
        ),
    ] {
        let output = tool(&["serve", "--envoy", "/nowhere"], variables);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
    let good = [("POOL", POOL), ("CLIENT_ID", "a"), ("UPSTREAM", "a:1")];
    let output = tool(&["serve", "--envoy", "/nowhere"], &good);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(2) && said.starts_with("error: /nowhere: "),
        "{said}"
    );
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).expect("a file")).expect("JSON")
}

/// What a container engine makes of an image: its layers over each other, and what starts in them.
#[track_caller]
fn unpacked(archive: &Path, folder: &Path) -> (PathBuf, Value) {
    let (layout, root) = (folder.join("layout"), folder.join("root"));
    for made in [&layout, &root] {
        std::fs::create_dir_all(made).expect("a writable target directory");
    }
    run(Command::new("tar")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(&layout));
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"]
            .as_str()
            .and_then(|digest| digest.strip_prefix("sha256:"));
        layout.join("blobs/sha256").join(digest.expect("a digest"))
    };
    let index = json(&layout.join("index.json"));
    let manifest = json(&blob(&index["manifests"][0]));
    let layers = manifest["layers"].as_array().expect("layers");
    for layer in layers {
        run(Command::new("tar")
            .arg("-xzpf")
            .arg(blob(layer))
            .arg("-C")
            .arg(&root));
    }
    // `docker load` of old goes by a list of its own, which names the same.
    let loaded = &json(&layout.join("manifest.json"))[0];
    assert_eq!(
        layout.join(loaded["Config"].as_str().expect("a path")),
        blob(&manifest["config"])
    );
    assert_eq!(
        loaded["Layers"].as_array().map(Vec::len),
        Some(layers.len())
    );
    (root, json(&blob(&manifest["config"])))
}

/// The image, run as a container engine would: as nobody, in a root of its own, with nothing of this
/// machine but its network. Changing the root needs root, or a user namespace.
#[test]
fn the_image_starts_with_its_variables() {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("served-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a writable target directory");
    let archive = folder.join("image.tar");
    let said = run(Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/image/envoy.py"))
        .arg(program())
        .arg(module())
        .arg(env!("CARGO_BIN_EXE_cognito-authorizer"))
        .arg(&archive)
        // The quickest: nobody pulls this one.
        .arg("1"));
    assert!(said.contains("cognito-authorizer-envoy@sha256:"), "{said}");
    let (root, config) = unpacked(&archive, &folder);
    let config = &config["config"];
    assert_eq!(config["User"], "65534:65534");
    let command =
        [&config["Entrypoint"], &config["Cmd"]].map(|part| part[0].as_str().expect("a word"));
    assert_eq!(command, ["cognito-authorizer", "serve"]);

    let variables = config["Env"].as_array().expect("variables").iter();
    let variables = variables.filter_map(|one| one.as_str()?.split_once('='));
    let [listen, admin, metrics] = free_ports();
    let log = std::fs::File::create(folder.join("log")).expect("a file");
    let mut process = Command::new("chroot");
    if run(Command::new("id").arg("-u")).trim() == "0" {
        process.arg("--userspec=65534:65534");
    } else {
        process = Command::new("unshare");
        process.args(["--user", "--map-root-user", "chroot"]);
    }
    let mut process = process
        .arg(&root)
        .args(command)
        .args(["--", "--concurrency", "1"])
        .env_clear()
        .envs(variables)
        .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .envs([
            ("POOL", POOL),
            ("CLIENT_ID", "abc,def"),
            ("UPSTREAM", "127.0.0.1:9"),
        ])
        .env("LISTEN", format!("127.0.0.1:{listen}"))
        .env("ADMIN_PORT", admin.to_string())
        .env("METRICS_PORT", metrics.to_string())
        .stdout(log.try_clone().expect("a file"))
        .stderr(log)
        .spawn()
        .expect("a program that changes the root");
    let written = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    eventually_within(Duration::from_secs(60), "the image to listen", || {
        assert!(
            process.try_wait().expect("a child").is_none(),
            "{}",
            written()
        );
        std::net::TcpStream::connect(at(listen)).ok()
    });
    let answer = Request::get("/").host("api.acme.io").send(at(listen));
    assert_eq!(answer.status, 401, "{}", written());
    stop(&mut process);
    discard(&folder);
}

/// Envoy itself; what ENVOY names may be a script around it.
fn program() -> PathBuf {
    let named = PathBuf::from(provided("ENVOY"));
    let is_program = |path: &PathBuf| {
        std::fs::File::open(path).is_ok_and(|mut file| {
            let mut magic = [0; 4];
            std::io::Read::read_exact(&mut file, &mut magic).is_ok() && magic == *b"\x7fELF"
        })
    };
    let packaged = named
        .parent()
        .and_then(Path::parent)
        .map(|venv| venv.join("lib"));
    let packaged = packaged.and_then(|lib| std::fs::read_dir(lib).ok());
    let packaged = packaged.into_iter().flatten().flatten();
    let packaged = packaged.map(|python| python.path().join("site-packages/envoy/_bin/envoy"));
    let found = std::iter::once(named.clone())
        .chain(packaged)
        .find(is_program);
    found.unwrap_or_else(|| panic!("{named:?}: expected Envoy, or the script of its package"))
}
