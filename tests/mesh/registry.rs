//! A registry of images on the loopback, with the image of `make image` in it.

use std::path::Path;
use std::process::Command;

use crate::harness::process::{eventually, module};
use crate::program::{Program, folder, output, tool};

/// The repository that the examples name.
const REPOSITORY: &str = "cognito-authorizer";

/// A running registry.
pub(crate) struct Registry {
    _process: Program,
    address: String,
}

/// An image by digest, without a scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image(pub(crate) String);

impl Registry {
    /// Starts one on a free port, without TLS.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let mut command = tool("crane");
        command.args(["registry", "serve", "--address", "127.0.0.1:0"]);
        let mut process = Program::start(command, folder("registry"));
        let address = eventually("the registry's address", || {
            process.assert_alive();
            let log = process.log();
            let port = log.split("serving on port ").nth(1)?;
            let port: u16 = port.split_whitespace().next()?.parse().ok()?;
            Some(format!("127.0.0.1:{port}"))
        });
        Self {
            _process: process,
            address,
        }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Packs the module that is tested as `make image` does, and pushes it.
    #[track_caller]
    pub(crate) fn push(&self) -> Image {
        self.push_module(Path::new(&module()))
    }

    /// The same with another module.
    #[track_caller]
    pub(crate) fn push_module(&self, module: &Path) -> Image {
        let directory = folder("image");
        let archive = directory.join("image.tar");
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/image/build.py");
        let said = output(
            Command::new("python3")
                .arg(build)
                .arg(module)
                .arg(&archive)
                .env("PYTHONDONTWRITEBYTECODE", "1"),
        );
        let (_, digest) = said.trim().rsplit_once('@').expect("an image by digest");
        // What the archive holds is the layout itself, which crane takes as a folder.
        let layout = directory.join("layout");
        std::fs::create_dir(&layout).expect("a writable directory");
        output(
            Command::new("tar")
                .arg("-xf")
                .arg(&archive)
                .arg("-C")
                .arg(&layout),
        );
        let repository = format!("{}/{REPOSITORY}", self.address);
        output(
            tool("crane")
                .arg("push")
                .arg(&layout)
                .arg(format!("{repository}:test")),
        );
        let _ = std::fs::remove_dir_all(&directory);
        Image(format!("{repository}@{digest}"))
    }
}
