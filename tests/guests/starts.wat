;; Calls the host before anybody calls it: in the `start` function, while the component is being instantiated, it writes
;; to the log and applies an object that the tests do not request. When that is refused it traps, so that nobody can take
;; the refusal for success.
;;
;; Such a component must be written out: tools that wrap a core module let it call nothing before it is instantiated.
(component
  (import "carnet:types/types@0.1.0" (instance $types
    (type $ref' (record
      (field "api-version" string) (field "kind" string) (field "namespace" (option string)) (field "name" string)))
    (export "object-ref" (type (eq $ref')))
    (type $error' (variant
      (case "denied" string) (case "not-found" string) (case "invalid" string) (case "conflict" string)
      (case "unavailable" string) (case "timeout" string) (case "failed" string)))
    (export "error" (type (eq $error')))))
  (alias export $types "object-ref" (type $ref))
  (alias export $types "error" (type $error))
  (import "carnet:kubernetes/apply@0.1.0" (instance $kubernetes
    (alias outer 1 $ref (type $ref'))
    (export "object-ref" (type $ref (eq $ref')))
    (alias outer 1 $error (type $error'))
    (export "error" (type $error (eq $error')))
    (type $change' (enum "created" "updated" "unchanged"))
    (export "change" (type $change (eq $change')))
    (type $applied' (record (field "object" $ref) (field "change" $change)))
    (export "applied" (type $applied (eq $applied')))
    (export "apply" (func (param "manifests" (list string)) (result (result (list $applied) (error $error)))))))
  (import "carnet:installation/log@0.1.0" (instance $installation
    (type $level' (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "log" (func (param "level" $level) (param "message" string)))))

  ;; Of each answer only the tag is looked at, so all of them may lie at the same place.
  (core module $Memory
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
  (core instance $memory (instantiate $Memory))
  (core func $apply (canon lower (func $kubernetes "apply")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $log (canon lower (func $installation "log") (memory (core memory $memory "memory"))))

  (core module $Main
    (import "memory" "memory" (memory 1))
    (import "host" "log" (func $log (param i32 i32 i32)))
    (import "host" "apply" (func $apply (param i32 i32 i32)))
    ;; at 32: list<string> of one
    (data (i32.const 32) "\80\00\00\00\48\00\00\00")
    (data (i32.const 64) "starting")
    (data (i32.const 128) "{apiVersion: v1, kind: ConfigMap, metadata: {name: other}, data: {a: b}}")
    (start $starts)
    (func $starts
      (call $log (i32.const 1) (i32.const 64) (i32.const 8))
      (call $apply (i32.const 32) (i32.const 1) (i32.const 16))
      (if (i32.load8_u (i32.const 16)) (then unreachable)))
    ;; ok
    (func (export "run") (param i32 i32) (result i32) i32.const 0))
  (core instance $main (instantiate $Main
    (with "memory" (instance $memory))
    (with "host" (instance (export "log" (func $log)) (export "apply" (func $apply))))))

  (func $run (param "action" string) (result (result (error $error)))
    (canon lift (core func $main "run")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (component $Installer
    (type $error' (variant
      (case "denied" string) (case "not-found" string) (case "invalid" string) (case "conflict" string)
      (case "unavailable" string) (case "timeout" string) (case "failed" string)))
    (import "error" (type $error (eq $error')))
    (import "run" (func $run (param "action" string) (result (result (error $error)))))
    (export $exported "error" (type $error))
    (export "run" (func $run) (func (param "action" string) (result (result (error $exported))))))
  (instance $installer (instantiate $Installer (with "error" (type $error)) (with "run" (func $run))))
  (export "carnet:bundle/installer@0.1.0" (instance $installer)))
