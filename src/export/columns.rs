//! The columns of a file, by their names.

use crate::error::{Error, Result};
use crate::run::{Column, columns};

/// The columns of these names, in their order; all columns if there are none.
///
/// # Errors
///
/// `ErrorKind::Config` if there is no such column, or if one is named twice, naming it.
pub(super) fn chosen(fields: &[String]) -> Result<Vec<Column>> {
    let columns = columns();
    if fields.is_empty() {
        return Ok(columns);
    }
    for (place, field) in fields.iter().enumerate() {
        if fields[..place].contains(field) {
            let expected = "a file has each column once";
            return Err(Error::config("field", format!("{field:?}"), expected));
        }
    }
    let column = |field: &String| {
        let found = columns.iter().find(|column| column.name == field);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = columns.iter().map(|column| column.name).collect();
            let expected = format!("the columns are {}", names.join(", "));
            Error::config("field", format!("{field:?}"), &expected)
        })
    };
    fields.iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(fields: &[&str]) -> Result<Vec<&'static str>> {
        let fields: Vec<_> = fields.iter().copied().map(String::from).collect();
        Ok(chosen(&fields)?.iter().map(|column| column.name).collect())
    }

    #[test]
    fn columns_come_in_the_order_of_the_fields_or_all() {
        assert_eq!(names(&["status", "id"]).unwrap(), ["status", "id"]);
        assert_eq!(names(&[]).unwrap().len(), columns().len());
    }

    #[test]
    fn a_field_that_is_unknown_or_named_twice_is_refused() {
        let error = |fields| names(fields).unwrap_err().to_string();
        let unknown = error(&["id", "runtime"]);
        assert!(unknown.contains(r#"invalid field "runtime": the columns are id, "#));
        let twice = error(&["id", "meta.origin", "id"]);
        assert_eq!(twice, r#"invalid field "id": a file has each column once"#);
    }
}
