;; Takes memory, a page at a time, until it gets no more, and then claims that all is well.
(module
  (memory (export "memory") 1)
  (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32)
    (loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    ;; ok
    i32.const 0)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
