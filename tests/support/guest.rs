//! Installers for tests, without a toolchain: core modules written by hand, or made from a list of calls.

use std::fmt::Write as _;
use std::path::Path;

use carnet::kubernetes::object::ObjectRef;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Makes a component of a core module's text, in the world of `tests/guests/world.wit`. What the module does not
/// import, the component does not import either. The text of a whole component is taken as it is.
pub fn component(text: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap();
    if wasmparser::Parser::is_component(&module) {
        return module;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut resolve = Resolve::default();
    resolve.push_dir(root.join("wit")).unwrap();
    let package = resolve.push_file(root.join("tests/guests/world.wit")).unwrap();
    let world = resolve.select_world(&[package], Some("everything")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// A component of `tests/guests/NAME.wat`.
pub fn written(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests").join(name).with_extension("wat");
    component(&std::fs::read_to_string(path).unwrap())
}

/// An installer that makes the same calls for every action.
#[derive(Default)]
pub struct Script {
    imports: String,
    body: String,
    data: Vec<u8>,
    tolerant: bool,
}

/// Where the text of the calls begins in the module's memory. What is below is for answers.
const DATA: usize = 1024;

impl Script {
    pub fn new() -> Self {
        Self::default()
    }

    /// From here on a refused call does not end the run: its text goes to the log.
    pub fn tolerant(mut self) -> Self {
        self.tolerant = true;
        self.import("carnet:installation/log@0.1.0", "log", "$log", "i32 i32 i32");
        self
    }

    /// From here on a refused call ends the run again.
    pub fn strict(mut self) -> Self {
        self.tolerant = false;
        self
    }

    pub fn apply(mut self, manifests: &[&str]) -> Self {
        let texts: Vec<_> = manifests.iter().map(|manifest| self.text(manifest)).collect();
        let words: Vec<usize> = texts.into_iter().flatten().collect();
        let list = self.words(&words);
        self.import("carnet:kubernetes/apply@0.1.0", "apply", "$apply", "i32 i32 i32");
        self.call("$apply", &[list, manifests.len()])
    }

    /// Applies a manifest; what is told of it goes to the log.
    pub fn apply_and_tell(mut self, manifest: &str) -> Self {
        self.import("carnet:installation/log@0.1.0", "log", "$log", "i32 i32 i32");
        let [words, _] = self.text("created  updated  unchanged");
        self = self.apply(&[manifest]);
        // The change stands behind the reference of the first answer.
        let change = "(i32.load8_u (i32.add (i32.load (i32.const 20)) (i32.const 36)))";
        let word = format!("(i32.add (i32.const {words}) (i32.mul (i32.const 9) {change}))");
        writeln!(self.body, "(call $log (i32.const 1) {word} (i32.const 9))").unwrap();
        self
    }

    pub fn get(mut self, object: &ObjectRef) -> Self {
        let words = self.object(object);
        self.import("carnet:kubernetes/get@0.1.0", "get", "$get", &"i32 ".repeat(10));
        self.call("$get", &words)
    }

    /// Reads an object; what it reads goes to the log.
    pub fn show(mut self, object: &ObjectRef) -> Self {
        self.import("carnet:installation/log@0.1.0", "log", "$log", "i32 i32 i32");
        self = self.get(object);
        self.body += "(call $log (i32.const 1) (i32.load (i32.const 20)) (i32.load (i32.const 24)))\n";
        self
    }

    pub fn delete(mut self, objects: &[ObjectRef]) -> Self {
        let list = self.objects(objects);
        self.import("carnet:kubernetes/delete@0.1.0", "delete", "$delete", "i32 i32 i32");
        self.call("$delete", &[list, objects.len()])
    }

    pub fn wait(mut self, objects: &[ObjectRef], seconds: usize) -> Self {
        let list = self.objects(objects);
        self.import("carnet:kubernetes/wait@0.1.0", "wait", "$wait", "i32 i32 i32 i32");
        self.call("$wait", &[list, objects.len(), seconds])
    }

    pub fn read(mut self, name: &str) -> Self {
        let [at, length] = self.text(name);
        self.import("carnet:files/read@0.1.0", "read", "$read", "i32 i32 i32");
        self.call("$read", &[at, length])
    }

    /// Reads a file, and applies what it holds.
    pub fn apply_file(mut self, name: &str) -> Self {
        self = self.read(name);
        self.import("carnet:kubernetes/apply@0.1.0", "apply", "$apply", "i32 i32 i32");
        // Where the answer has its text, a list of one text begins.
        self.call("$apply", &[20, 1])
    }

    /// Reads a file; what it reads goes to the log.
    pub fn tell(mut self, name: &str) -> Self {
        self.import("carnet:installation/log@0.1.0", "log", "$log", "i32 i32 i32");
        self = self.read(name);
        self.body += "(call $log (i32.const 1) (i32.load (i32.const 20)) (i32.load (i32.const 24)))\n";
        self
    }

    /// Looks up an image; its reference goes to the log.
    pub fn image(mut self, name: &str) -> Self {
        let [at, length] = self.text(name);
        self.import("carnet:installation/context@0.1.0", "image", "$image", "i32 i32 i32");
        self.import("carnet:installation/log@0.1.0", "log", "$log", "i32 i32 i32");
        writeln!(self.body, "(call $image (i32.const {at}) (i32.const {length}) (i32.const 16))").unwrap();
        self.body += "(call $log (i32.const 1) (i32.load (i32.const 20)) (i32.load (i32.const 24)))\n";
        self
    }

    pub fn lend(mut self, name: &str) -> Self {
        let [at, length] = self.text(name);
        self.import("carnet:credentials/lend@0.1.0", "lend", "$lend", "i32 i32 i32");
        self.call("$lend", &[at, length])
    }

    pub fn generate(mut self, name: &str, length: usize) -> Self {
        let [at, bytes] = self.text(name);
        self.import("carnet:credentials/generate@0.1.0", "generate", "$generate", "i32 i32 i32 i32");
        self.call("$generate", &[at, bytes, length])
    }

    /// Lends a credential and asks to see it; what it sees goes to the log.
    pub fn reveal(mut self, name: &str) -> Self {
        self = self.lend(name);
        self.import("carnet:credentials/reveal@0.1.0", "reveal", "$reveal", "i32 i32");
        self.import("carnet:installation/log@0.1.0", "log", "$log", "i32 i32 i32");
        self.body += "(call $reveal (i32.load (i32.const 20)) (i32.const 16))\n";
        self.check();
        self.body += "(call $log (i32.const 1) (i32.load (i32.const 20)) (i32.load (i32.const 24)))\n";
        self
    }

    pub fn output(mut self, name: &str, value: &str) -> Self {
        let [name, value] = [name, value].map(|text| self.text(text));
        self.import("carnet:installation/outputs@0.1.0", "set", "$set", "i32 i32 i32 i32 i32");
        self.call("$set", &[name, value].concat())
    }

    pub fn log(mut self, text: &str) -> Self {
        let [at, length] = self.text(text);
        self.import("carnet:installation/log@0.1.0", "log", "$log", "i32 i32 i32");
        writeln!(self.body, "(call $log (i32.const 1) (i32.const {at}) (i32.const {length}))").unwrap();
        self
    }

    pub fn component(&self) -> Vec<u8> {
        component(&self.module())
    }

    fn module(&self) -> String {
        let data: String = self.data.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let heap = (DATA + self.data.len()).next_multiple_of(8);
        let pages = heap / 65536 + 1;
        let Self { imports, body, .. } = self;
        format!(
            r#"(module {imports}
              (memory (export "memory") {pages})
              (data (i32.const {DATA}) "{data}")
              (global $heap (mut i32) (i32.const {heap}))
              {ALLOCATOR}
              (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32)
                {body}
                (i32.store8 (i32.const 16) (i32.const 0))
                (i32.const 16)))"#
        )
    }

    fn import(&mut self, interface: &str, function: &str, name: &str, parameters: &str) {
        let line = format!("(import \"{interface}\" \"{function}\" (func {name} (param {parameters})))\n");
        if !self.imports.contains(&line) {
            self.imports += &line;
        }
    }

    /// Calls a function whose answer is a result at 16: tag at 16, and of an error the case at 20, the text at 24.
    fn call(mut self, function: &str, arguments: &[usize]) -> Self {
        let arguments: String = arguments.iter().map(|word| format!("(i32.const {word}) ")).collect();
        writeln!(self.body, "(call {function} {arguments} (i32.const 16))").unwrap();
        self.check();
        self
    }

    fn check(&mut self) {
        self.body += if self.tolerant {
            "(if (i32.load8_u (i32.const 16))
               (then (call $log (i32.const 1) (i32.load (i32.const 24)) (i32.load (i32.const 28)))))\n"
        } else {
            "(if (i32.load8_u (i32.const 16)) (then (return (i32.const 16))))\n"
        };
    }

    fn text(&mut self, text: &str) -> [usize; 2] {
        let at = DATA + self.data.len();
        self.data.extend(text.as_bytes());
        [at, text.len()]
    }

    fn words(&mut self, words: &[usize]) -> usize {
        self.data.resize(self.data.len().next_multiple_of(4), 0);
        let at = DATA + self.data.len();
        for word in words {
            self.data.extend(u32::try_from(*word).unwrap().to_le_bytes());
        }
        at
    }

    fn object(&mut self, object: &ObjectRef) -> Vec<usize> {
        let ObjectRef { api_version, kind, namespace, name } = object;
        let [api_version, kind, name] = [api_version, kind, name].map(|text| self.text(text));
        let namespace = namespace.as_ref().map_or([0; 3], |namespace| {
            let [at, length] = self.text(namespace);
            [1, at, length]
        });
        [&api_version[..], &kind, &namespace, &name].concat()
    }

    fn objects(&mut self, objects: &[ObjectRef]) -> usize {
        let words: Vec<_> = objects.iter().flat_map(|object| self.object(object)).collect();
        self.words(&words)
    }
}

/// A bump allocator; nothing is ever freed.
pub const ALLOCATOR: &str = r#"
  (func $alloc (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
                            (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
      (then (drop (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1))))))
    (local.get $at))"#;
