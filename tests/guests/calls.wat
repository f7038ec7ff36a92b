;; Asks for its name without end.
(module
  (import "carnet:installation/context@0.1.0" "name" (func $name (param i32)))
  (memory (export "memory") 1)
  (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32)
    (loop $again (call $name (i32.const 16)) (br $again))
    unreachable)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
