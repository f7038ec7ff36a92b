;; Writes to the log without end, 16 KiB at a time.
(module
  (import "carnet:installation/log@0.1.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32)
    (loop $again (call $log (i32.const 1) (i32.const 1024) (i32.const 16384)) (br $again))
    unreachable)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
