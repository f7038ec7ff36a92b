;; Sleeps for an hour. A clock that is virtual does not make the sleep so: only the time limit ends it.
(module
  (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $timer (param i64) (result i32)))
  (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))
  (memory (export "memory") 1)
  (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32)
    (call $block (call $timer (i64.const 3_600_000_000_000)))
    ;; ok
    i32.const 0)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
