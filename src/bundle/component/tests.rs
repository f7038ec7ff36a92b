use std::fmt::Write as _;

use super::*;

fn refusal(bytes: &[u8]) -> String {
    Component::read(bytes.to_vec()).err().map(|error| error.to_string()).unwrap_or_default()
}

/// The thing that a binary has too much of.
fn excess(bytes: &[u8]) -> &'static str {
    match Component::read(bytes.to_vec()) {
        Err(InvalidComponent::Costly { what, .. }) => what,
        other => panic!("{:?}", other.err()),
    }
}

fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 128 {
        bytes.push(u8::try_from(number % 128).unwrap() | 128);
        number /= 128;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &number(content.len()), content].concat()
}

fn vector(items: &[Vec<u8>]) -> Vec<u8> {
    [number(items.len()), items.concat()].concat()
}

fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0".to_vec(), sections.concat()].concat()
}

/// A core module inside a component.
fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    let module = [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat();
    component(&[section(1, &module)])
}

/// A module with functions of one type, each with these locals and instructions.
fn functions(ty: &[u8], locals: &[u8], body: &[u8], count: usize) -> Vec<u8> {
    let code = [locals, body, &[0x0b]].concat();
    let code = [number(code.len()), code].concat();
    module(&[
        section(1, &vector(&[ty.to_vec()])),
        section(3, &vector(&vec![vec![0]; count])),
        section(10, &vector(&vec![code; count])),
    ])
}

/// Nested loops over locals, which are all used in the innermost.
fn nested_loops(loops: usize, locals: usize) -> Vec<u8> {
    let declared = [vec![1], number(locals), vec![0x7f]].concat();
    let uses = (0..locals).flat_map(|local| [vec![0x20], number(local), vec![0x21], number(local)].concat());
    let body: Vec<u8> = [0x03, 0x40].repeat(loops).into_iter().chain(uses).collect();
    functions(&[0x60, 0, 0], &declared, &[body, vec![0x0b; loops]].concat(), 1)
}

#[test]
fn what_is_not_a_component_is_told_apart() {
    assert_eq!(refusal(b""), InvalidComponent::Empty.to_string());
    assert_eq!(refusal(b"\0asm\x01\0\0\0"), InvalidComponent::CoreModule.to_string());
    assert_eq!(refusal(&[0; 1 << 20]), InvalidComponent::NotWasm.to_string());
    assert_eq!(refusal(b"\0asm\x0d\0\x01\0"), InvalidComponent::NoInstaller.to_string());
    assert_eq!(
        refusal(&vec![0; MAX_COMPONENT + 1]),
        InvalidComponent::TooLarge(MAX_COMPONENT + 1).to_string()
    );
    assert!(refusal(b"\0asm\x0d\0\x01\0\x63").starts_with("the component is not valid"));
}

#[test]
fn whatever_is_no_interface_of_functions_and_types_is_no_import() {
    let interface = "carnet:kubernetes/apply@0.1.0";
    for (import, expected) in [
        ("(import \"m\" (core module))", "the core module `m`"),
        ("(import \"f\" (func))", "the function `f`"),
        ("(import \"t\" (type (sub resource)))", "the type `t`"),
        ("(import \"c\" (component))", "the component `c`"),
        ("(import \"i\" (instance))", "the instance `i`"),
        ("(import \"I\" (instance (export \"m\" (core module))))", "the core module `I#m`"),
        ("(import \"I\" (instance (export \"c\" (component))))", "the component `I#c`"),
        ("(import \"I\" (instance (export \"i\" (instance))))", "the instance `I#i`"),
    ] {
        let import = import.replace("\"I\"", &format!("\"{interface}\""));
        let bytes = wat::parse_str(format!("(component {import})")).unwrap();
        let expected = expected.replace('I', interface);
        let text = format!("the component imports {expected}, which is no interface with a package");
        assert_eq!(refusal(&bytes), text, "{import}");
    }
    // Imports of inner components are the component's own affair.
    let nested = wat::parse_str("(component (component (import \"m\" (core module))))").unwrap();
    assert_eq!(refusal(&nested), InvalidComponent::NoInstaller.to_string());
}

#[test]
fn a_fault_is_told_in_few_visible_characters() {
    let name = "\u{1b}[2J".repeat(10_000);
    let import = [vec![0], number(name.len()), name.into_bytes(), vec![0x01, 0]].concat();
    let text = refusal(&component(&[section(10, &vector(&[import]))]));
    assert!(text.chars().count() < 600 && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn loops_around_many_locals_are_not_looked_at() {
    assert_eq!(excess(&nested_loops(2_000, 1_000)), "values that the loops of one function carry");
    // As many loops around few locals, or few around many, are as good as any.
    assert_eq!(refusal(&nested_loops(2_000, 20)), InvalidComponent::NoInstaller.to_string());
    assert_eq!(refusal(&nested_loops(20, 2_000)), InvalidComponent::NoInstaller.to_string());
}

#[test]
fn tables_of_branches_count_by_what_each_branch_carries() {
    // A function with a thousand results, and branches to its end.
    let ty = [vec![0x60, 0], number(1_000), vec![0x7f; 1_000]].concat();
    let results = [0x41, 0].repeat(1_000);
    let table = [vec![0x41, 0, 0x0e], number(300_000), vec![0; 300_001]].concat();
    assert_eq!(excess(&functions(&ty, &[0], &[results, table].concat(), 1)), "steps to validate it");
}

#[test]
fn more_of_anything_than_compilers_make_is_not_looked_at() {
    let global = vec![0x7f, 0, 0x41, 0, 0x0b];
    let table = vec![0x70, 0, 0];
    let data = vec![1, 0];
    let element = [vec![1, 0], number(600_000), vec![0; 600_000]].concat();
    let ty = vec![0x60, 0, 0];
    let export = [vec![5], b"abcde".to_vec(), vec![0, 0]].concat();
    let cases: [(&str, Vec<u8>); 8] = [
        ("globals", module(&[section(6, &vector(&vec![global; 100_001]))])),
        ("tables and memories", module(&[section(4, &vector(&vec![table; 1_001]))])),
        ("segments of data and elements", module(&[section(11, &vector(&vec![data; 200_001]))])),
        ("elements of tables", module(&[section(9, &vector(&vec![element; 2]))])),
        ("types", module(&[section(1, &vector(&vec![ty.clone(); 100_001]))])),
        ("functions", module(&[section(1, &vector(&[ty])), section(3, &vector(&vec![vec![0]; 300_001]))])),
        ("imports, exports and aliases", module(&[section(7, &vector(&vec![export; 200_001]))])),
        ("bytes of types of components", component(&[section(7, &vector(&vec![vec![0x7f]; 3 << 20]))])),
    ];
    for (expected, bytes) in cases {
        assert_eq!(excess(&bytes), expected);
    }
    let locals = [vec![1], number(50_000), vec![0x7f]].concat();
    assert_eq!(excess(&functions(&[0x60, 0, 0], &locals, &[], 101)), "locals");
}

#[test]
fn nesting_uses_up_no_stack() {
    for first in [0x41, 0x42] {
        let types = [vec![1], [first, 1, 1].repeat(600_000), vec![0x7f]].concat();
        assert_eq!(excess(&component(&[section(7, &types)])), "levels of types");
    }
    // The nested type need not come first.
    let types = [vec![1], [0x42, 2, 1, 0x7f, 1].repeat(100_000), vec![0x7f]].concat();
    assert_eq!(excess(&component(&[section(7, &types)])), "levels of types");
    let nested = (0..100).fold(component(&[]), |inner, _| component(&[section(4, &inner)]));
    assert_eq!(excess(&nested), "levels of components");
    let beside = vec![section(4, &component(&[])); 501];
    assert_eq!(excess(&component(&beside)), "components and modules inside it");
}

/// Types of instances, each of which has the one before twice.
fn doubling(leaf: &str, levels: usize) -> String {
    (1..levels).fold(format!("(type $t0 (instance {leaf}))"), |mut text, level| {
        let before = level - 1;
        write!(
            text,
            "(type $t{level} (instance (alias outer 1 $t{before} (type $p))
               (export \"a\" (instance (type $p))) (export \"b\" (instance (type $p)))))"
        )
        .unwrap();
        text
    })
}

#[test]
fn types_count_by_what_they_come_to_as_often_as_they_are_used() {
    let sizes = "declarations in types, as often as they are used";
    for leaf in ["(export \"r\" (type (sub resource)))", "(export \"f\" (func))"] {
        let text = |levels: usize, rest: &str| {
            wat::parse_str(format!("(component {} {rest})", doubling(leaf, levels))).unwrap()
        };
        assert_eq!(excess(&text(18, "")), sizes);
        assert_eq!(refusal(&text(8, "")), InvalidComponent::NoInstaller.to_string());
        let importing = "(component (alias outer 1 $t9 (type $t)) (import \"a:b/c\" (instance (type $t))))";
        assert_eq!(excess(&text(10, &importing.repeat(60))), sizes);
        let given = "(component $n (alias outer 2 $t9 (type $t)) (import \"a:b/c\" (instance (type $t))))";
        let instances = "(instance (instantiate $n (with \"a:b/c\" (instance $i))))".repeat(60);
        let outer = "(component (alias outer 1 $t9 (type $t)) (import \"a:b/c\" (instance $i (type $t)))";
        assert_eq!(excess(&text(10, &format!("{outer} {given} {instances})"))), sizes);
    }
}

/// A component of levels, each of which instantiates the one below ten times.
fn multiplied(levels: usize) -> Vec<u8> {
    let mut text = "(component (core module $m (memory 1))".to_owned();
    text += &"(core instance (instantiate $m))".repeat(10);
    text += ")";
    for _ in 1..levels {
        let instances = "(instance (instantiate 0))".repeat(10);
        text = format!("(component {text} {instances})");
    }
    wat::parse_str(&text).unwrap()
}

#[test]
fn instances_count_as_often_as_they_are_made() {
    assert_eq!(excess(&multiplied(3)), "instances");
    assert_eq!(refusal(&multiplied(2)), InvalidComponent::NoInstaller.to_string());
    // By an alias of what is outside, and by an export of its own, they are still the same modules.
    let mut outer = "(component $c (core module $m)".to_owned();
    write!(
        outer,
        "(component $i (alias outer $c $m (core module $a)) {})",
        "(core instance (instantiate $a))".repeat(60)
    )
    .unwrap();
    write!(outer, "(export $e \"e\" (component $i)) {})", "(instance (instantiate $e))".repeat(20)).unwrap();
    assert_eq!(excess(&wat::parse_str(&outer).unwrap()), "instances");
}

#[test]
fn what_many_instances_copy_is_counted_as_well() {
    let data = "x".repeat(1 << 20);
    let instances = "(core instance (instantiate $m))".repeat(300);
    let text =
        format!("(component (core module $m (memory 17) (data (i32.const 0) \"{data}\")) {instances})");
    assert_eq!(excess(&wat::parse_str(&text).unwrap()), "bytes and elements that it copies when it starts");
}

#[test]
fn code_that_is_handed_in_is_not_instantiated() {
    for text in [
        "(component (component (import \"m\" (core module $m)) (core instance (instantiate $m))))",
        "(component (component (import \"c\" (component $c)) (instance (instantiate $c))))",
        "(component (component (import \"i\" (instance $i (export \"m\" (core module))))
           (alias export $i \"m\" (core module $m)) (core instance (instantiate $m))))",
    ] {
        assert_eq!(refusal(&wat::parse_str(text).unwrap()), InvalidComponent::Handed.to_string(), "{text}");
    }
}

#[test]
fn the_footprint_grows_with_what_is_instantiated() {
    let of = |globals: usize, instances: usize| {
        let globals = "(global i32 (i32.const 0))".repeat(globals);
        let instances = "(core instance (instantiate $m))".repeat(instances);
        let text = format!("(component (core module $m {globals}) {instances})");
        reader::validate(&wat::parse_str(&text).unwrap(), features()).unwrap().footprint
    };
    assert_eq!(of(10, 5).instances, 6);
    assert_eq!(of(10, 0), of(1_000, 0));
    assert_eq!(of(1_000, 5).bytes - of(0, 5).bytes, 1_000 * 5 * Footprint::GLOBAL);
}
