//! Envoy's side of the ABI: types, and the callbacks that the filter uses.
//!
//! All are in v0.1 (Envoy 1.39) and v0.2 (Envoy 1.40) of the ABI, and of the same form in both.
//! Common to all of them:
//!
//! - A `Buffer` that is given to Envoy is read before the callback returns.
//! - A `Buffer` that Envoy gives belongs to Envoy. It may be empty with any pointer, and its bytes may
//!   be anything. It holds until the hook returns in which it was got, or a callback changes what it
//!   shows, whichever is first.
//! - A pointer to a filter is that which `filter_new` has brought, until `filter_destroy` for it has
//!   been called; one to a configuration likewise. Both are used on the thread of their hooks, but for
//!   schedulers, which any thread may use.

use std::ffi::c_char;

/// Bytes. `envoy_dynamic_module_type_envoy_buffer` and `…_module_buffer` have one layout.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    pub(crate) ptr: *const u8,
    pub(crate) length: usize,
}

impl Buffer {
    /// None at all: where a value may be missing, it is.
    pub(crate) const NONE: Self = Self {
        ptr: std::ptr::null(),
        length: 0,
    };

    /// Those of a slice. An empty one has a pointer too, and so is a value.
    pub(crate) const fn of(bytes: &[u8]) -> Self {
        Self {
            ptr: bytes.as_ptr(),
            length: bytes.len(),
        }
    }

    /// A copy of what Envoy shows.
    ///
    /// # Safety
    /// The buffer is Envoy's, and holds.
    pub(crate) unsafe fn copy(self) -> Vec<u8> {
        // SAFETY: the caller's promise.
        unsafe { self.show() }.to_vec()
    }

    /// What Envoy shows.
    ///
    /// # Safety
    /// The buffer is Envoy's, and holds for as long as the result is used.
    pub(crate) unsafe fn show<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.length == 0 {
            return &[];
        }
        // SAFETY: not null, and by the caller's promise so many bytes that nobody writes.
        unsafe { std::slice::from_raw_parts(self.ptr, self.length) }
    }
}

/// A header. `envoy_dynamic_module_type_envoy_http_header` and `…_module_http_header` have one layout.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) key: Buffer,
    pub(crate) value: Buffer,
}

impl Header {
    pub(crate) const NONE: Self = Self {
        key: Buffer::NONE,
        value: Buffer::NONE,
    };

    pub(crate) const fn of(name: &[u8], value: &[u8]) -> Self {
        Self {
            key: Buffer::of(name),
            value: Buffer::of(value),
        }
    }
}

/// What Envoy's own objects are to the filter.
pub(crate) enum Opaque {}

pub(crate) type FilterPointer = *mut Opaque;
pub(crate) type ConfigurationPointer = *mut Opaque;
pub(crate) type SchedulerPointer = *mut Opaque;

/// `envoy_dynamic_module_type_http_header_type`
pub(crate) const REQUEST_HEADERS: u32 = 0;
pub(crate) const REQUEST_TRAILERS: u32 = 1;

/// `envoy_dynamic_module_type_attribute_id`
pub(crate) const REQUEST_PROTOCOL: u32 = 10;
pub(crate) const SOURCE_ADDRESS: u32 = 24;

/// `envoy_dynamic_module_type_log_level`
pub(crate) const DEBUG: u32 = 1;
pub(crate) const INFO: u32 = 2;
pub(crate) const WARNING: u32 = 3;
pub(crate) const ERROR: u32 = 4;

/// `envoy_dynamic_module_type_metrics_result`
pub(crate) const METRIC_DONE: u32 = 0;

/// `envoy_dynamic_module_type_http_callout_init_result`
pub(crate) const CALL_SENT: u32 = 0;
pub(crate) const NO_CLUSTER: u32 = 2;
pub(crate) const NO_REQUEST: u32 = 4;

/// `envoy_dynamic_module_type_http_callout_result`
pub(crate) const CALL_ANSWERED: u32 = 0;

/// `envoy_dynamic_module_type_http_filter_stream_reset_reason`
pub(crate) const LOCAL_RESET: u32 = 0;

/// `envoy_dynamic_module_type_on_http_filter_request_headers_status`
pub(crate) const HEADERS_CONTINUE: u32 = 0;
/// Nothing of the body is shown to the filter, and the client is told to wait when as much has come as
/// Envoy buffers: that of a long upload stays with the client.
pub(crate) const HEADERS_STOP_ALL: u32 = 4;
/// `envoy_dynamic_module_type_on_http_filter_request_body_status`
pub(crate) const BODY_CONTINUE: u32 = 0;
pub(crate) const BODY_STOP: u32 = 2;
/// `envoy_dynamic_module_type_on_http_filter_request_trailers_status`
pub(crate) const TRAILERS_CONTINUE: u32 = 0;
pub(crate) const TRAILERS_STOP: u32 = 1;

/// The callbacks, declared and named: [`version`](crate::version) looks whether this Envoy has them.
macro_rules! callbacks {
    ($($(#[$doc:meta])* fn $name:ident($($parameter:ident: $kind:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        unsafe extern "C" {
            $($(#[$doc])* pub(crate) fn $name($($parameter: $kind),*) $(-> $result)?;)*
        }

        /// Their names, as C strings.
        pub(crate) const NAMES: &[&std::ffi::CStr] = &[
            $(match std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => c"",
            },)*
        ];
    };
}

callbacks! {
    /// Whether lines of a level are written. Any thread.
    fn envoy_dynamic_module_callback_log_enabled(level: u32) -> bool;
    /// Writes a line. Any thread.
    fn envoy_dynamic_module_callback_log(level: u32, message: Buffer);

    /// Defines a counter, in `config_new` only; the number of it is written to `id`, which is valid.
    /// Without labels, `labels` may be null.
    fn envoy_dynamic_module_callback_http_filter_config_define_counter(
        configuration: ConfigurationPointer,
        name: Buffer,
        labels: *const Buffer,
        labels_length: usize,
        id: *mut usize,
    ) -> u32;
    /// The same of a gauge.
    fn envoy_dynamic_module_callback_http_filter_config_define_gauge(
        configuration: ConfigurationPointer,
        name: Buffer,
        labels: *const Buffer,
        labels_length: usize,
        id: *mut usize,
    ) -> u32;
    /// Adds to a counter of this configuration.
    fn envoy_dynamic_module_callback_http_filter_config_increment_counter(
        configuration: ConfigurationPointer,
        id: usize,
        labels: *const Buffer,
        labels_length: usize,
        value: u64,
    ) -> u32;
    /// Adds to a gauge of this configuration.
    fn envoy_dynamic_module_callback_http_filter_config_increment_gauge(
        configuration: ConfigurationPointer,
        id: usize,
        labels: *const Buffer,
        labels_length: usize,
        value: u64,
    ) -> u32;
    /// Takes from a gauge of this configuration.
    fn envoy_dynamic_module_callback_http_filter_config_decrement_gauge(
        configuration: ConfigurationPointer,
        id: usize,
        labels: *const Buffer,
        labels_length: usize,
        value: u64,
    ) -> u32;
    /// Sets a gauge of this configuration.
    fn envoy_dynamic_module_callback_http_filter_config_set_gauge(
        configuration: ConfigurationPointer,
        id: usize,
        labels: *const Buffer,
        labels_length: usize,
        value: u64,
    ) -> u32;
    /// Sends a request through a cluster. Headers have `:method`, `:path` and a host. If the result is
    /// [`CALL_SENT`], its number is written to `id`, which is valid, and its answer comes to
    /// `config_http_callout_done`; otherwise none that anybody waits for. Main thread.
    fn envoy_dynamic_module_callback_http_filter_config_http_callout(
        configuration: ConfigurationPointer,
        id: *mut u64,
        cluster: Buffer,
        headers: *const Header,
        headers_length: usize,
        body: Buffer,
        timeout_milliseconds: u64,
    ) -> u32;
    /// What calls `config_scheduled` on the main thread. It is the module's, until deleted.
    fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(
        configuration: ConfigurationPointer,
    ) -> SchedulerPointer;
    /// Has it called. Any thread; nothing happens if the configuration has ended. The main thread's
    /// event loop must be there still.
    fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(
        scheduler: SchedulerPointer,
        event: u64,
    );
    /// Deletes it, once. Any thread.
    fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(scheduler: SchedulerPointer);

    /// Reads a value of a header. `result` is valid; if there is no such value it is set to a null
    /// buffer. `count` is valid or null.
    fn envoy_dynamic_module_callback_http_get_header(
        filter: FilterPointer,
        kind: u32,
        key: Buffer,
        result: *mut Buffer,
        index: usize,
        count: *mut usize,
    ) -> bool;
    /// How many header lines there are; 0 if they are not there.
    fn envoy_dynamic_module_callback_http_get_headers_size(
        filter: FilterPointer,
        kind: u32,
    ) -> usize;
    /// Writes all header lines to `result`, which has room for as many as there are.
    fn envoy_dynamic_module_callback_http_get_headers(
        filter: FilterPointer,
        kind: u32,
        result: *mut Header,
    ) -> bool;
    /// Sets a header in the place of all of its name; with a null value it removes them.
    fn envoy_dynamic_module_callback_http_set_header(
        filter: FilterPointer,
        kind: u32,
        key: Buffer,
        value: Buffer,
    ) -> bool;
    /// Adds a header, whatever others of its name there are.
    fn envoy_dynamic_module_callback_http_add_header(
        filter: FilterPointer,
        kind: u32,
        key: Buffer,
        value: Buffer,
    ) -> bool;
    /// Answers the request. Calls the filter's hooks for the response, and may end the request, before
    /// it returns.
    fn envoy_dynamic_module_callback_http_send_response(
        filter: FilterPointer,
        status: u32,
        headers: *const Header,
        headers_length: usize,
        body: Buffer,
        details: Buffer,
    );
    /// Sends a request through a cluster, as for a configuration, in the name of a request: the call ends
    /// with that. Its answer comes to `filter_http_callout_done`, which may be called before this returns,
    /// with a number that nobody knows, if the call was not sent.
    fn envoy_dynamic_module_callback_http_filter_http_callout(
        filter: FilterPointer,
        id: *mut u64,
        cluster: Buffer,
        headers: *const Header,
        headers_length: usize,
        body: Buffer,
        timeout_milliseconds: u64,
    ) -> u32;
    /// Lets a request go on that was stopped. May call other hooks before it returns.
    fn envoy_dynamic_module_callback_http_filter_continue_decoding(filter: FilterPointer);
    /// Resets the request. May end it before it returns.
    fn envoy_dynamic_module_callback_http_filter_reset_stream(
        filter: FilterPointer,
        reason: u32,
        details: Buffer,
    );
    /// Sets filter state.
    fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
        filter: FilterPointer,
        key: Buffer,
        value: Buffer,
    ) -> bool;
    /// Sets a member of dynamic metadata.
    fn envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
        filter: FilterPointer,
        namespace: Buffer,
        key: Buffer,
        value: Buffer,
    );
    /// Adds to a list in dynamic metadata, which is made if it is not there.
    fn envoy_dynamic_module_callback_http_add_dynamic_metadata_list_string(
        filter: FilterPointer,
        namespace: Buffer,
        key: Buffer,
        value: Buffer,
    ) -> bool;
    /// Has the route chosen again.
    fn envoy_dynamic_module_callback_http_clear_route_cache(filter: FilterPointer);
    /// Reads an attribute to `result`, which is valid.
    fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
        filter: FilterPointer,
        attribute: u32,
        result: *mut Buffer,
    ) -> bool;
    /// What calls `filter_scheduled` on the filter's thread. It is the module's, until deleted.
    fn envoy_dynamic_module_callback_http_filter_scheduler_new(
        filter: FilterPointer,
    ) -> SchedulerPointer;
    /// Has it called. Any thread; nothing happens if the request has ended. The thread's event loop
    /// must be there still.
    fn envoy_dynamic_module_callback_http_filter_scheduler_commit(
        scheduler: SchedulerPointer,
        event: u64,
    );
    /// Deletes it, once. Any thread.
    fn envoy_dynamic_module_callback_http_filter_scheduler_delete(scheduler: SchedulerPointer);
}

unsafe extern "C" {
    /// `dlsym(3)`: where a symbol is, or null. The name is a C string.
    pub(crate) fn dlsym(handle: *mut Opaque, name: *const c_char) -> *mut Opaque;
}

/// `RTLD_DEFAULT`: wherever the loader would find it.
pub(crate) const EVERYWHERE: *mut Opaque = std::ptr::null_mut();
