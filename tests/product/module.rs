//! The built module, as an Envoy is about to load it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// What Envoy's WASI shim has offered in every supported release. A module that imports one function
/// more is refused by an older Envoy, whose error names neither the function's origin nor a cure: a
/// dependency that starts to read files or to open sockets must be noticed here.
const WASI: [&str; 6] = [
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_write",
    "proc_exit",
    "random_get",
];

/// Every worker of every proxy compiles the module at start, and Istio's agents fetch it: bytes are
/// start-up time. 1,050 kB is the promise; a dependency with tables of its own would break it.
const MAX_BYTES: usize = 1_050_000;

/// What the module exports, and nothing else: an Envoy calls every callback that it finds, on every
/// request, whether it has anything to do or not. Nothing here can be spared, either. Without the body
/// and trailer callbacks a held request is sent upstream before its verdict; without
/// `proxy_on_delete` every request that goes away leaves its context behind.
const EXPORTS: [&str; 13] = [
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_memory_allocate",
    "proxy_on_queue_ready",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_tick",
    "proxy_on_vm_start",
];

/// The variable wins, so that a matrix can test a module that was built elsewhere.
fn module() -> Vec<u8> {
    let path = std::env::var_os("COGNITO_AUTHORIZER_WASM").map_or_else(
        || {
            PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join("target/wasm32-wasip1/release/cognito_authorizer.wasm")
        },
        PathBuf::from,
    );
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "no module at {} ({error}): run `make build`, or set COGNITO_AUTHORIZER_WASM",
            path.display()
        )
    })
}

/// Names in the order of the file, as `module name`.
fn imports(module: &[u8]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(section) = payload.expect("a well-formed module") {
            for import in section.into_imports() {
                let import = import.expect("a well-formed import");
                assert!(
                    matches!(import.ty, TypeRef::Func(_)),
                    "{} {}: hosts provide functions only",
                    import.module,
                    import.name
                );
                found.push((import.module.to_owned(), import.name.to_owned()));
            }
        }
    }
    found
}

fn exported_functions(module: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(section) = payload.expect("a well-formed module") {
            for export in section {
                let export = export.expect("a well-formed export");
                if export.kind == ExternalKind::Func {
                    found.insert(export.name.to_owned());
                }
            }
        }
    }
    found
}

#[test]
fn imports_only_what_every_supported_host_offers() {
    let imports = imports(&module());
    assert!(!imports.is_empty(), "a module without imports is no filter");
    for (from, name) in imports {
        let offered = match from.as_str() {
            "env" => name.starts_with("proxy_"),
            "wasi_snapshot_preview1" => WASI.contains(&name.as_str()),
            _ => false,
        };
        assert!(
            offered,
            "imports {name} from {from}, which older hosts do not offer"
        );
    }
}

/// One of them is the version of the interface, by which the host picks its calling conventions; this
/// one is understood by all.
#[test]
fn exports_what_is_needed_and_nothing_else() {
    let exports = exported_functions(&module());
    assert_eq!(exports, EXPORTS.map(str::to_owned).into());
}

#[test]
fn is_small() {
    let bytes = module().len();
    assert!(
        bytes < MAX_BYTES,
        "{bytes} bytes; expected less than {MAX_BYTES}"
    );
}
