;; Makes two sockets and looks up a name, and writes what it is told to the log: `0` for success, `1` for an error, and
;; after that the error's number as a character from `0` on.
(module
  (import "wasi:sockets/tcp-create-socket@0.2.6" "create-tcp-socket" (func $tcp (param i32 i32)))
  (import "wasi:sockets/udp-create-socket@0.2.6" "create-udp-socket" (func $udp (param i32 i32)))
  (import "wasi:sockets/instance-network@0.2.6" "instance-network" (func $network (result i32)))
  (import "wasi:sockets/ip-name-lookup@0.2.6" "resolve-addresses" (func $resolve (param i32 i32 i32 i32)))
  (import "carnet:installation/log@0.1.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "localhost")
  ;; In these results the tag is at 16. The error is where a handle would be: at 20.
  (func $report
    (i32.store8 (i32.const 32) (i32.add (i32.load8_u (i32.const 16)) (i32.const 48)))
    (i32.store8 (i32.const 33) (i32.add (i32.load8_u (i32.const 20)) (i32.const 48)))
    (call $log (i32.const 1) (i32.const 32) (i32.const 2)))
  (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32)
    (call $tcp (i32.const 0) (i32.const 16)) (call $report)
    (call $udp (i32.const 0) (i32.const 16)) (call $report)
    (call $resolve (call $network) (i32.const 64) (i32.const 9) (i32.const 16)) (call $report)
    (i32.store8 (i32.const 16) (i32.const 0))
    (i32.const 16))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
