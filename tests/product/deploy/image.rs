//! The OCI image, read as Istio and Envoy Gateway read it.
//!
//! Both fetch the manifest, want exactly one layer of the media type below, and look in it for a
//! file of a fixed name.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use wasmparser::{Parser, Payload};

use crate::deploy::files;
use crate::harness::process::module;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a writable target directory");
    directory
}

/// Builds the image into `directory` and returns the archive, and what the script said.
#[track_caller]
fn build(directory: &Path) -> (PathBuf, String) {
    let archive = directory.join("image.tar");
    let said = run(Command::new("python3")
        .arg(files::envoy().join("image/build.py"))
        .arg(module())
        .arg(&archive));
    (archive, String::from_utf8(said).expect("text"))
}

#[track_caller]
fn run(command: &mut Command) -> Vec<u8> {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    output.stdout
}

/// A blob of an unpacked layout, which must be what its descriptor says.
#[track_caller]
fn blob(layout: &Path, descriptor: &Value, media_type: &str) -> Vec<u8> {
    assert_eq!(descriptor["mediaType"], media_type);
    let digest = descriptor["digest"].as_str().expect("a digest");
    let hex = digest.strip_prefix("sha256:").expect("SHA-256");
    let content = std::fs::read(layout.join("blobs/sha256").join(hex)).expect("a blob");
    assert_eq!(descriptor["size"], content.len());
    assert_eq!(hex, hexadecimal(&content));
    content
}

fn hexadecimal(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

#[test]
fn the_image_is_one_layer_with_the_module() {
    let directory = directory("image");
    let (archive, said) = build(&directory);
    let layout = directory.join("layout");
    std::fs::create_dir(&layout).expect("a writable target directory");
    run(Command::new("tar")
        .arg("-xf")
        .arg(&archive)
        .arg("-C")
        .arg(&layout));

    let read = |name: &str| json(&std::fs::read(layout.join(name)).expect("a file of the layout"));
    assert_eq!(read("oci-layout")["imageLayoutVersion"], "1.0.0");
    let index = read("index.json");
    let images = index["manifests"].as_array().expect("images");
    assert_eq!(images.len(), 1, "one image, for every platform");
    let digest = images[0]["digest"].as_str().expect("a digest");
    assert!(
        said.trim_end()
            .ends_with(&format!("cognito-authorizer@{digest}")),
        "{said}"
    );
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json(&blob(&layout, &images[0], manifest));
    assert_eq!(manifest["schemaVersion"], 2);
    let version = &manifest["annotations"]["org.opencontainers.image.version"];
    assert_eq!(version, env!("CARGO_PKG_VERSION"));

    let layers = manifest["layers"].as_array().expect("layers");
    assert_eq!(
        layers.len(),
        1,
        "the controllers refuse an image with more layers"
    );
    let layer = directory.join("layer.tar.gz");
    std::fs::write(&layer, blob(&layout, &layers[0], LAYER)).expect("a writable directory");
    let names = run(Command::new("tar").arg("-tzf").arg(&layer));
    assert_eq!(names, b"plugin.wasm\n");
    let plugin = run(Command::new("tar")
        .arg("-xOzf")
        .arg(&layer)
        .arg("plugin.wasm"));
    assert!(
        plugin == std::fs::read(module()).expect("the module"),
        "another module"
    );

    let config = json(&blob(
        &layout,
        &manifest["config"],
        "application/vnd.oci.image.config.v1+json",
    ));
    let unpacked = run(Command::new("gzip").arg("-dc").arg(&layer));
    let diff = format!("sha256:{}", hexadecimal(&unpacked));
    assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!([diff]));
}

/// The digest that operators write down can be had again from the same module.
#[test]
fn the_image_does_not_depend_on_place_or_time() {
    let (first, second) = (directory("image-a"), directory("image-b"));
    let bytes = |directory: &Path| std::fs::read(build(directory).0).expect("an archive");
    let before = bytes(&first);
    let clock = Command::new("date")
        .arg("+%s")
        .output()
        .expect("date")
        .stdout;
    crate::harness::process::eventually("another second", || {
        let now = Command::new("date")
            .arg("+%s")
            .output()
            .expect("date")
            .stdout;
        (now != clock).then_some(())
    });
    assert!(
        before == bytes(&second),
        "two archives of one module differ"
    );
}

/// `make dist` releases no module under another version's name: it asks the module itself.
#[test]
fn the_module_names_its_version() {
    let module = std::fs::read(module()).expect("the module");
    let versions: Vec<_> = Parser::new(0)
        .parse_all(&module)
        .filter_map(|payload| match payload.expect("a well-formed module") {
            Payload::CustomSection(section) if section.name() == "version" => {
                Some(String::from_utf8_lossy(section.data()).into_owned())
            }
            _ => None,
        })
        .collect();
    assert_eq!(versions, [env!("CARGO_PKG_VERSION")]);
}

#[test]
fn what_is_no_module_is_refused() {
    let directory = directory("image-c");
    let wrong = directory.join("text.wasm");
    std::fs::write(&wrong, "(module)").expect("a writable directory");
    let output = Command::new("python3")
        .arg(files::envoy().join("image/build.py"))
        .arg(&wrong)
        .arg(directory.join("image.tar"))
        .output()
        .expect("python3");
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("not a WebAssembly module"), "{errors}");
}
