;; Applies 4096 manifests in one call, each of which is all of its memory but the list: 4096 times 256 KiB, of 320 KiB.
(module
  (import "carnet:kubernetes/apply@0.1.0" "apply" (func $apply (param i32 i32 i32)))
  (memory (export "memory") 5)
  (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.const 262144))
    (loop $again
      (i32.store (local.get $at) (i32.const 0))
      (i32.store offset=4 (local.get $at) (i32.const 262144))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $again (i32.lt_u (local.get $at) (i32.const 294912))))
    (call $apply (i32.const 262144) (i32.const 4096) (i32.const 16))
    (i32.const 16))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
