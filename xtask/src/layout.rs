//! Storage layout of the deployed contracts as text, one line per variable, so that a change is
//! readable in a diff.

use std::fmt::Write as _;

use eyre::{ContextCompat as _, Result};
use foundry_compilers::artifacts::{Storage, StorageLayout, StorageType};

/// Text of a layout: the variables, then the structs that they hold. Without the numbers of the
/// compiler's syntax tree, which change with every edit.
pub(crate) fn render(layout: &StorageLayout) -> Result<String> {
    let mut text = String::from("slot offset bytes name type\n");
    if layout.storage.is_empty() {
        text.push_str("(nothing)\n");
    }
    for variable in &layout.storage {
        line(&mut text, layout, variable)?;
    }
    let mut structs: Vec<_> = layout
        .types
        .values()
        .filter_map(|kind| kind.other.get("members").map(|members| (&kind.label, members)))
        .collect();
    structs.sort_by_key(|(label, _)| *label);
    for (label, members) in structs {
        writeln!(text, "\n{label}")?;
        for member in serde_json::from_value::<Vec<Storage>>(members.clone())? {
            line(&mut text, layout, &member)?;
        }
    }
    Ok(text)
}

fn line(text: &mut String, layout: &StorageLayout, variable: &Storage) -> Result<()> {
    let StorageType { label, number_of_bytes, .. } =
        layout.types.get(&variable.storage_type).wrap_err("a variable without a type")?;
    let Storage { slot, offset, label: name, .. } = variable;
    writeln!(text, "{slot} {offset} {number_of_bytes} {name} {label}")?;
    Ok(())
}
