//! Reads a binary from its first byte to its last, validates it, and ends where it would cost too much.
//!
//! Each section is counted before it is validated, and each instruction before it is.

use wasmparser::types::Types;
use wasmparser::{
    BinaryReader, ElementItems, Encoding, FuncValidator, FuncValidatorAllocations, FunctionBody, Operator,
    Parser, Payload, SectionLimited, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

use super::InvalidComponent;
use super::allowance::Allowances;
use super::footprint::{Footprint, Parts};
use super::nesting;

/// How deep components may stand in each other. Composing takes a level each time.
const MAX_LEVELS: usize = 32;

/// The most joins in one function: what a compiler does grows faster than they do. The largest interpreters have a
/// tenth.
const MAX_JOINS: u64 = 400_000;

/// Validates a binary, a component or a core module.
///
/// # Errors
/// [`InvalidComponent`] where it breaks a rule, or would cost too much.
pub(super) fn validate(bytes: &[u8], features: WasmFeatures) -> Result<Validated, InvalidComponent> {
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut validator = Validator::new_with_features(features);
    let mut reader = Reader::new(bytes);
    let (mut allocations, mut types) = (FuncValidatorAllocations::default(), None);
    for payload in parser.parse_all(bytes) {
        let payload = payload?;
        reader.count(&payload)?;
        match validator.payload(&payload)? {
            ValidPayload::Func(function, body) => {
                let mut function = function.into_validator(allocations);
                reader.function(&mut function, &body)?;
                allocations = function.into_allocations();
            }
            ValidPayload::End(ended) => types = Some(ended),
            _ => {}
        }
        reader.note(&payload)?;
    }
    Ok(Validated { footprint: reader.whole, types })
}

/// A binary that keeps the rules.
pub(super) struct Validated {
    pub(super) footprint: Footprint,
    /// Its types; those of the whole, which ends last.
    pub(super) types: Option<Types>,
}

/// The binary as far as it was read.
struct Reader<'a> {
    bytes: &'a [u8],
    allowances: Allowances,
    /// The components that are open, the innermost last.
    components: Vec<Parts>,
    /// The module that is open.
    module: Option<Footprint>,
    whole: Footprint,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            allowances: Allowances::default(),
            components: Vec::new(),
            module: None,
            whole: Footprint::default(),
        }
    }

    /// Counts a section before it is validated.
    fn count(&mut self, payload: &Payload<'_>) -> Result<(), InvalidComponent> {
        let allowed = &mut self.allowances;
        let taken = |section: u32| u64::from(section);
        match payload {
            Payload::Version { encoding, .. } => return self.open(*encoding),
            Payload::TypeSection(section) => {
                for group in section.clone() {
                    allowed.types.take(u64::try_from(group?.types().len()).unwrap_or(u64::MAX).max(1))?;
                }
            }
            Payload::CoreTypeSection(section) => allowed.type_bytes.take(length(section))?,
            Payload::ComponentTypeSection(section) => {
                allowed.type_bytes.take(length(section))?;
                let data = self.bytes.get(section.range()).unwrap_or_default();
                let Some((parts, outer)) = self.components.split_last_mut() else { return Ok(()) };
                let around = |levels: usize, index| {
                    let parts = levels.checked_sub(1).and_then(|levels| outer.iter().nth_back(levels));
                    parts.map_or(1, |parts| parts.types.of(index))
                };
                let reader = BinaryReader::new(data, section.range().start);
                return nesting::check(reader, allowed, &mut parts.types, &around);
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    import?;
                    allowed.links.take(1)?;
                }
            }
            Payload::FunctionSection(section) => allowed.functions.take(taken(section.count()))?,
            Payload::GlobalSection(section) => allowed.globals.take(taken(section.count()))?,
            Payload::TableSection(section) => allowed.spaces.take(taken(section.count()))?,
            Payload::MemorySection(section) => allowed.spaces.take(taken(section.count()))?,
            Payload::DataSection(section) => allowed.segments.take(taken(section.count()))?,
            Payload::ElementSection(section) => {
                allowed.segments.take(taken(section.count()))?;
                for element in section.clone() {
                    allowed.elements.take(elements(&element?.items))?;
                }
            }
            Payload::ExportSection(section) => allowed.links.take(taken(section.count()))?,
            Payload::ComponentAliasSection(section) => allowed.links.take(taken(section.count()))?,
            Payload::ComponentCanonicalSection(section) => allowed.links.take(taken(section.count()))?,
            Payload::ComponentExportSection(section) => allowed.links.take(taken(section.count()))?,
            Payload::ComponentImportSection(section) => allowed.links.take(taken(section.count()))?,
            Payload::InstanceSection(section) => allowed.links.take(length(section) / 4)?,
            Payload::ComponentInstanceSection(section) => allowed.links.take(length(section) / 4)?,
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, encoding: Encoding) -> Result<(), InvalidComponent> {
        self.allowances.parts.take(1)?;
        if encoding == Encoding::Module {
            self.module =
                Some(Footprint { instances: 1, bytes: Footprint::INSTANCE, ..Footprint::default() });
            return Ok(());
        }
        self.components.push(Parts::default());
        if self.components.len() > MAX_LEVELS {
            return Err(InvalidComponent::Costly { what: "levels of components", most: 32 });
        }
        Ok(())
    }

    /// Notes what of a valid section an instance will take.
    fn note(&mut self, payload: &Payload<'_>) -> Result<(), InvalidComponent> {
        match (&mut self.module, payload) {
            (_, Payload::End(_)) => self.close(),
            (Some(module), payload) => note_in_module(module, payload),
            (None, payload) => self.note_in_component(payload),
        }
    }

    fn note_in_component(&mut self, payload: &Payload<'_>) -> Result<(), InvalidComponent> {
        let Some((parts, outer)) = self.components.split_last_mut() else { return Ok(()) };
        let sizes = &mut self.allowances.type_sizes;
        match payload {
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    parts.instance(&instance?)?;
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    parts.component_instance(&instance?, sizes)?;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    parts.alias(&alias?, outer);
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    parts.import(import?.ty, sizes)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    parts.export(&export?);
                }
            }
            Payload::ComponentCanonicalSection(section) => parts.count(section.count(), Footprint::FUNCTION),
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), InvalidComponent> {
        if let Some(module) = self.module.take() {
            match self.components.last_mut() {
                Some(around) => around.add_module(module),
                None => self.whole = module,
            }
            return Ok(());
        }
        let Some(parts) = self.components.pop() else { return Ok(()) };
        match self.components.last_mut() {
            Some(around) => around.add_component(&parts)?,
            None => self.whole = parts.total()?,
        }
        Ok(())
    }

    /// Validates a function.
    fn function(
        &mut self,
        validator: &mut FuncValidator<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<(), InvalidComponent> {
        validator.read_locals(&mut body.get_binary_reader())?;
        let locals = u64::from(validator.len_locals());
        self.allowances.locals.take(locals)?;
        let mut joins = Joins { locals, ..Joins::default() };
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let (operator, offset) = reader.read_with_offset()?;
            self.allowances.steps.take(steps(&operator, validator))?;
            joins.pass(&operator);
            validator.op(offset, &operator)?;
        }
        reader.finish()?;
        if joins.count() > MAX_JOINS {
            return Err(InvalidComponent::Costly {
                what: "values that the loops of one function carry",
                most: MAX_JOINS,
            });
        }
        self.allowances.joins.take(joins.count())
    }
}

fn note_in_module(module: &mut Footprint, payload: &Payload<'_>) -> Result<(), InvalidComponent> {
    match payload {
        Payload::ImportSection(section) => {
            let imports = u32::try_from(section.clone().into_imports().count()).unwrap_or(u32::MAX);
            module.count(imports, Footprint::FUNCTION);
        }
        Payload::FunctionSection(section) => module.count(section.count(), Footprint::FUNCTION),
        Payload::GlobalSection(section) => module.count(section.count(), Footprint::GLOBAL),
        Payload::TableSection(section) => module.count(section.count(), Footprint::SPACE),
        Payload::MemorySection(section) => module.count(section.count(), Footprint::SPACE),
        Payload::DataSection(section) => module.copy(length(section)),
        Payload::ElementSection(section) => {
            for element in section.clone() {
                module.copy(elements(&element?.items));
            }
        }
        _ => {}
    }
    Ok(())
}

/// How many values a compiler has to join in a function, at most. A local that is used in a loop may come from before
/// it or from its last turn, and so may it in each loop around that: a few bytes inside of many loops stand for many.
#[derive(Default)]
struct Joins {
    locals: u64,
    loops: u64,
    uses: u64,
    depth: u64,
    /// Whether each block that is open is a loop.
    open: Vec<bool>,
}

impl Joins {
    fn pass(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Loop { .. } => {
                self.open.push(true);
                self.loops += 1;
                self.depth += 1;
            }
            Operator::Block { .. } | Operator::If { .. } => self.open.push(false),
            Operator::End if self.open.pop() == Some(true) => self.depth -= 1,
            Operator::LocalGet { .. } | Operator::LocalSet { .. } | Operator::LocalTee { .. } => {
                self.uses = self.uses.saturating_add(self.depth);
            }
            _ => {}
        }
    }

    fn count(&self) -> u64 {
        self.uses.min(self.loops.saturating_mul(self.locals))
    }
}

/// The steps that validating an instruction takes: one for itself, and one for each value that it takes or gives. A
/// table of branches takes its values once for each branch.
fn steps(operator: &Operator<'_>, validator: &FuncValidator<ValidatorResources>) -> u64 {
    let (takes, gives) = operator.operator_arity(validator).unwrap_or_default();
    let once = 1 + u64::from(takes) + u64::from(gives);
    match operator {
        Operator::BrTable { targets } => once.saturating_mul(1 + u64::from(targets.len())),
        _ => once,
    }
}

fn elements(items: &ElementItems<'_>) -> u64 {
    u64::from(match items {
        ElementItems::Functions(functions) => functions.count(),
        ElementItems::Expressions(_, expressions) => expressions.count(),
    })
}

fn length<T>(section: &SectionLimited<'_, T>) -> u64 {
    u64::try_from(section.range().len()).unwrap_or(u64::MAX)
}
