;; A plugin of somebody else that writes two entries into the shared data of its `vm_id`, whenever a VM
;; of it is configured. The entries follow as `data`; WRITES stands for the two calls.
(module
  (import "env" "proxy_set_shared_data"
    (func $set (param $name i32) (param $length i32) (param $value i32) (param $size i32)
      (param $version i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 196608))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    ;; 0 is Ok, and whoever is not configured keeps Envoy from starting.
    (i32.eqz (i32.or WRITES)))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_delete") (param i32)))
