//! Counts the declarations in types of components, how deep they are nested, and what they come to, without following
//! them by recursion: the parser does follow them, and at three bytes a level a binary could use up its stack.

use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternName, ComponentExternalKind, ComponentImport,
    ComponentOuterAliasKind, ComponentType, ComponentTypeRef, CoreType, FromReader, TypeBounds,
};

use super::InvalidComponent;
use super::allowance::Allowances;

/// How deep types of components and instances may be nested in each other. An interface of a package takes three
/// levels.
const MAX_LEVELS: usize = 32;

/// The first bytes of types that hold declarations.
const COMPONENT: u8 = 0x41;
const INSTANCE: u8 = 0x42;

/// The types that a component has so far, by index: how many declarations each comes to.
#[derive(Debug, Default)]
pub(super) struct TypeSizes(Vec<u64>);

/// A type whose declarations are being read.
struct OpenType {
    /// How many are left.
    left: u32,
    types: TypeSizes,
    size: u64,
}

impl TypeSizes {
    pub(super) fn push(&mut self, size: u64) {
        self.0.push(size);
    }

    /// The size of a type. One that is not there is refused by whoever validates.
    pub(super) fn of(&self, index: u32) -> u64 {
        usize::try_from(index).ok().and_then(|index| self.0.get(index)).copied().unwrap_or(1)
    }

    /// The size of what a reference to a type brings in.
    pub(super) fn of_reference(&self, reference: ComponentTypeRef) -> u64 {
        match reference {
            ComponentTypeRef::Instance(index) | ComponentTypeRef::Component(index) => self.of(index),
            _ => 1,
        }
    }

    /// A type that is exported or imported is one more.
    pub(super) fn declare(&mut self, reference: ComponentTypeRef) {
        match reference {
            ComponentTypeRef::Type(TypeBounds::Eq(index)) => self.push(self.of(index)),
            ComponentTypeRef::Type(TypeBounds::SubResource) => self.push(1),
            _ => {}
        }
    }

    /// The largest type.
    pub(super) fn largest(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or(1)
    }
}

/// Checks the contents of a section of component types, and adds them to `types`, those of the component that it is in.
/// `outer` are those of the components around it, the next one last.
///
/// # Errors
/// [`InvalidComponent::Costly`] for too many types or levels, and for what cannot be read.
pub(super) fn check<'a>(
    section: BinaryReader<'a>,
    allowed: &mut Allowances,
    types: &mut TypeSizes,
    outer: &dyn Fn(usize, u32) -> u64,
) -> Result<(), InvalidComponent> {
    let mut reader = section;
    let mut open: Vec<OpenType> = Vec::new();
    let mut sections_left = reader.read_var_u32()?;
    loop {
        let left = open.last_mut().map_or(&mut sections_left, |ty| &mut ty.left);
        let Some(others) = left.checked_sub(1) else {
            let Some(ty) = open.pop() else { return Ok(()) };
            let size = ty.size.saturating_add(1);
            allowed.type_sizes.take(size)?;
            close(open.last_mut(), types, size);
            continue;
        };
        *left = others;
        allowed.types.take(1)?;
        if !open.is_empty() && !is_type(&mut reader, &mut open, types, outer)? {
            continue;
        }
        if !holds_declarations(&reader)? {
            ComponentType::from_reader(&mut reader)?;
            close(open.last_mut(), types, 1);
            continue;
        }
        reader.read_u8()?;
        if open.len() >= MAX_LEVELS {
            return Err(InvalidComponent::Costly { what: "levels of types", most: 32 });
        }
        open.push(OpenType { left: reader.read_var_u32()?, types: TypeSizes::default(), size: 0 });
    }
}

/// Adds a type that was read to whatever it is in.
fn close(around: Option<&mut OpenType>, types: &mut TypeSizes, size: u64) {
    match around {
        Some(around) => {
            around.size = around.size.saturating_add(1);
            around.types.push(size);
        }
        None => types.push(size),
    }
}

/// Reads a declaration up to the type in it. Any other declaration is read to its end, and counted.
fn is_type<'a>(
    reader: &mut BinaryReader<'a>,
    open: &mut [OpenType],
    types: &TypeSizes,
    outer: &dyn Fn(usize, u32) -> u64,
) -> Result<bool, InvalidComponent> {
    let reference = match reader.read_u8()? {
        0 => CoreType::from_reader(reader).map(|_| None)?,
        1 => return Ok(true),
        2 => {
            let size = aliased(&ComponentAlias::from_reader(reader)?, open, types, outer);
            if let (Some(size), Some(ty)) = (size, open.last_mut()) {
                ty.types.push(size);
            }
            None
        }
        3 => Some(ComponentImport::from_reader(reader)?.ty),
        4 => {
            ComponentExternName::from_reader(reader)?;
            Some(ComponentTypeRef::from_reader(reader)?)
        }
        other => return Err(InvalidComponent::Wasm(format!("a type has a declaration of the kind {other}"))),
    };
    if let Some(ty) = open.last_mut() {
        let size = reference.map_or(1, |reference| ty.types.of_reference(reference));
        ty.size = ty.size.saturating_add(size);
        if let Some(reference) = reference {
            ty.types.declare(reference);
        }
    }
    Ok(false)
}

/// The size of the type that an alias is for; none where it is for something else.
fn aliased(
    alias: &ComponentAlias<'_>,
    open: &[OpenType],
    types: &TypeSizes,
    outer: &dyn Fn(usize, u32) -> u64,
) -> Option<u64> {
    match alias {
        ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, count, index } => {
            let levels = usize::try_from(*count).unwrap_or(usize::MAX);
            Some(match open.iter().rev().nth(levels) {
                Some(ty) => ty.types.of(*index),
                None if levels == open.len() => types.of(*index),
                None => outer(levels - open.len(), *index),
            })
        }
        // Nobody looks up which it is, so it is taken for the largest there is.
        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Type, .. } => {
            Some(open.iter().map(|ty| ty.types.largest()).fold(types.largest(), u64::max))
        }
        _ => None,
    }
}

fn holds_declarations(reader: &BinaryReader<'_>) -> Result<bool, InvalidComponent> {
    Ok([COMPONENT, INSTANCE].contains(&reader.clone().read_u8()?))
}
