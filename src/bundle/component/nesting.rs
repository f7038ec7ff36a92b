//! Counts the declarations in types of components, and how deep they are nested, without following them by recursion: the
//! parser does follow them, and at three bytes a level a binary could use up its stack.

use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternName, ComponentImport, ComponentType, ComponentTypeRef,
    CoreType, FromReader,
};

use super::InvalidComponent;
use super::allowance::Allowance;

/// How deep types of components and instances may be nested in each other. An interface of a package takes three levels.
const MAX_LEVELS: usize = 32;

/// The first bytes of types that hold declarations.
const COMPONENT: u8 = 0x41;
const INSTANCE: u8 = 0x42;

/// Checks the contents of a section of component types.
///
/// # Errors
/// [`InvalidComponent::Costly`] for too many types or levels, and for what cannot be read.
pub(super) fn check(section: BinaryReader<'_>, types: &mut Allowance) -> Result<(), InvalidComponent> {
    let mut reader = section;
    // How many declarations are left at each level that is open. The first level is the section itself.
    let mut open = vec![reader.read_var_u32()?];
    while let Some(left) = open.last_mut() {
        let Some(others) = left.checked_sub(1) else {
            open.pop();
            continue;
        };
        *left = others;
        types.take(1)?;
        if open.len() > 1 && !is_type(&mut reader)? {
            continue;
        }
        if !holds_declarations(&reader)? {
            skip::<ComponentType<'_>>(&mut reader)?;
            continue;
        }
        reader.read_u8()?;
        if open.len() > MAX_LEVELS {
            return Err(InvalidComponent::Costly { what: "levels of types", most: 32 });
        }
        open.push(reader.read_var_u32()?);
    }
    Ok(())
}

/// Reads a declaration up to the type in it. Any other declaration is read to its end.
fn is_type(reader: &mut BinaryReader<'_>) -> Result<bool, InvalidComponent> {
    match reader.read_u8()? {
        0 => skip::<CoreType<'_>>(reader)?,
        1 => return Ok(true),
        2 => skip::<ComponentAlias<'_>>(reader)?,
        3 => skip::<ComponentImport<'_>>(reader)?,
        4 => {
            skip::<ComponentExternName<'_>>(reader)?;
            skip::<ComponentTypeRef>(reader)?;
        }
        other => return Err(InvalidComponent::Wasm(format!("a type has a declaration of the kind {other}"))),
    }
    Ok(false)
}

fn holds_declarations(reader: &BinaryReader<'_>) -> Result<bool, InvalidComponent> {
    Ok([COMPONENT, INSTANCE].contains(&reader.clone().read_u8()?))
}

fn skip<'a, T: FromReader<'a>>(reader: &mut BinaryReader<'a>) -> Result<(), InvalidComponent> {
    T::from_reader(reader)?;
    Ok(())
}
