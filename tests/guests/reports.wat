;; Writes to the log what WASI tells it: each variable and its value, the number of arguments and of open directories,
;; three readings of the clock, and random bytes. Then it applies an object that is named after both.
(module
  (import "wasi:cli/environment@0.2.6" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/environment@0.2.6" "get-arguments" (func $arguments (param i32)))
  (import "wasi:filesystem/preopens@0.2.6" "get-directories" (func $directories (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $now (result i64)))
  (import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32)))
  (import "carnet:installation/log@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "carnet:kubernetes/apply@0.1.0" "apply" (func $apply (param i32 i32 i32)))

  (memory (export "memory") 4)
  (data (i32.const 64) "0123456789abcdef")
  ;; at 32: list<string> of one; the text of 16 hexadecimal digits goes to 567, and to 601
  (data (i32.const 32) "\00\02\00\00\6c\00\00\00")
  (data (i32.const 512) "{apiVersion: v1, kind: ConfigMap, metadata: {name: web-                }, data: {clock: \22                \22}}")
  (global $heap (mut i32) (i32.const 4096))

  ;; A bump allocator; nothing is ever freed.
  (func $alloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  ;; Writes `$len` bytes as hexadecimal digits to `$to`.
  (func $hex (param $from i32) (param $len i32) (param $to i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $from) (local.get $len)))
    (loop $next
      (i32.store8 (local.get $to)
        (i32.load8_u offset=64 (i32.shr_u (i32.load8_u (local.get $from)) (i32.const 4))))
      (i32.store8 offset=1 (local.get $to)
        (i32.load8_u offset=64 (i32.and (i32.load8_u (local.get $from)) (i32.const 15))))
      (local.set $to (i32.add (local.get $to) (i32.const 2)))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $from) (local.get $end)))))

  ;; Logs `$len` bytes as hexadecimal digits.
  (func $report (param $from i32) (param $len i32)
    (call $hex (local.get $from) (local.get $len) (i32.const 1024))
    (call $log (i32.const 1) (i32.const 1024) (i32.shl (local.get $len) (i32.const 1))))

  (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32)
    (local $at i32) (local $left i32)
    (call $environment (i32.const 16))
    (local.set $at (i32.load (i32.const 16)))
    (local.set $left (i32.load (i32.const 20)))
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $left)))
      (call $log (i32.const 1) (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
      (call $log (i32.const 1) (i32.load offset=8 (local.get $at)) (i32.load offset=12 (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $next)))

    (call $arguments (i32.const 16))
    (call $report (i32.const 20) (i32.const 4))
    (call $directories (i32.const 16))
    (call $report (i32.const 20) (i32.const 4))

    (i64.store (i32.const 24) (call $now)) (call $report (i32.const 24) (i32.const 8))
    (i64.store (i32.const 24) (call $now)) (call $report (i32.const 24) (i32.const 8))
    (i64.store (i32.const 24) (call $now)) (call $report (i32.const 24) (i32.const 8))
    (call $hex (i32.const 24) (i32.const 8) (i32.const 601))

    (call $random (i64.const 32) (i32.const 16))
    (call $report (i32.load (i32.const 16)) (i32.const 32))
    (call $hex (i32.load (i32.const 16)) (i32.const 8) (i32.const 567))

    (call $apply (i32.const 32) (i32.const 1) (i32.const 16))
    (i32.const 16)))
