//! The root context: what the host calls when it configures the plugin, ticks, or has an answer.

use super::exchange::Exchange;
use super::space::Shared;
use super::worker::Worker;
use crate::config;
use crate::remote::space::{SharedSpace, digest};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel};
use std::rc::Rc;

proxy_wasm::main! {{
    // The host filters again by its own level; the tick follows that one.
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|context| Box::new(Root::new(context)));
}}

/// The root context: the host calls it, the [`Worker`] behind it does the work.
#[derive(Debug)]
pub(super) struct Root {
    context: u32,
    worker: Option<Rc<Worker>>,
    /// Under which name the configuration was announced.
    announced: Vec<u8>,
}

impl Root {
    pub(super) const fn new(context: u32) -> Self {
        Self {
            context,
            worker: None,
            announced: Vec::new(),
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        if let Some(worker) = &self.worker {
            worker.answered(token, headers, body);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let document = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX)
            .ok()
            .flatten()
            .unwrap_or_default();
        match config::parse(&document) {
            Ok(policy) => {
                let worker = Worker::new(self.context, policy);
                self.announced = digest(&document).into_bytes();
                if is_news(&self.announced) {
                    worker.announce();
                }
                self.worker = Some(Rc::new(worker));
                true
            }
            Err(problems) => {
                for problem in problems.iter() {
                    log::error!("cognito-authorizer: {problem}");
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(worker) = &self.worker {
            worker.tick();
        }
    }

    fn on_queue_ready(&mut self, _: u32) {
        if let Some(worker) = &self.worker {
            worker.rung();
        }
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Exchange::new(context, self.worker.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Drop for Root {
    /// The host deletes the root when its configuration is replaced. If it ever comes back, that is
    /// news. Not so of the short-lived VM that the host configures first.
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.retire();
            if worker.has_ticked() {
                forget(&self.announced);
            }
        }
    }
}

const ANNOUNCED: &str = "cognito-authorizer.announced";

/// Whether no VM has announced this configuration: every worker has a VM of its own, and all of
/// them are configured alike. The last few are remembered, which is more than one Envoy uses at a
/// time.
fn is_news(name: &[u8]) -> bool {
    const REMEMBERED: usize = 16;
    let (announced, version) = Shared.read(ANNOUNCED);
    let mut announced: Vec<u8> = announced.unwrap_or_default();
    if announced.chunks(name.len()).any(|known| known == name) {
        return false;
    }
    announced.splice(..0, name.iter().copied());
    announced.truncate(name.len().saturating_mul(REMEMBERED));
    Shared.write(ANNOUNCED, &announced, version).is_ok()
}

/// Takes a configuration for news again, when it comes back.
fn forget(name: &[u8]) {
    let (announced, version) = Shared.read(ANNOUNCED);
    let announced: Vec<u8> = announced.unwrap_or_default();
    let others = announced.chunks(name.len()).filter(|known| *known != name);
    let others: Vec<u8> = others.flatten().copied().collect();
    if others.len() < announced.len() {
        // A VM that was faster has done much the same.
        let _ = Shared.write(ANNOUNCED, &others, version);
    }
}
