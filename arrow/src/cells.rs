//! The cells of a chunk's outputs as text, for where the outputs cannot be read straight.

use serde_json::value::RawValue;

/// The outputs of a chunk, taken apart.
pub(crate) struct Cells<'a> {
    columns: Vec<Column<'a>>,
    records: usize,
    /// What stands where an output should, by the index of the record.
    strays: Vec<(usize, &'a str)>,
}

/// An output with its cells, one a record; `None` for a record without it.
pub(crate) struct Column<'a> {
    pub(crate) name: String,
    pub(crate) cells: Vec<Option<&'a str>>,
}

impl<'a> Cells<'a> {
    /// `None` if these are no outputs.
    pub(crate) fn parse(json: &'a str) -> Option<Self> {
        let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        let is_table = elements
            .first()
            .is_some_and(|first| first.get().starts_with('['));
        match is_table {
            true => Self::of_table(&elements),
            false => Some(Self::of_objects(&elements)),
        }
    }

    fn of_table(elements: &[&'a RawValue]) -> Option<Self> {
        let (header, rows) = elements.split_first()?;
        let names: Vec<String> = serde_json::from_str(header.get()).ok()?;
        let mut all = Self {
            columns: Vec::with_capacity(names.len()),
            records: rows.len(),
            strays: Vec::new(),
        };
        for name in names {
            all.add_column(name);
        }
        for (record, row) in rows.iter().enumerate() {
            match serde_json::from_str::<Option<Vec<&RawValue>>>(row.get()) {
                Ok(Some(cells)) if cells.len() == all.columns.len() => {
                    for (column, cell) in all.columns.iter_mut().zip(cells) {
                        column.cells[record] = Some(cell.get());
                    }
                }
                Ok(None) => {}
                Ok(Some(cells)) if cells.is_empty() => {}
                _ => all.strays.push((record, row.get())),
            }
        }
        Some(all)
    }

    fn of_objects(elements: &[&'a RawValue]) -> Self {
        let mut all = Self {
            columns: Vec::new(),
            records: elements.len(),
            strays: Vec::new(),
        };
        for (record, element) in elements.iter().enumerate() {
            let Ok(members) = serde_json::from_str::<Option<Members<'_>>>(element.get()) else {
                all.strays.push((record, element.get()));
                continue;
            };
            let members = members.map(|members| members.0).unwrap_or_default();
            for (expected, (name, cell)) in members.into_iter().enumerate() {
                // Most probably the names come in one order.
                let place = match all.columns.get(expected) {
                    Some(column) if column.name == name => Some(expected),
                    _ => all.columns.iter().position(|column| column.name == name),
                };
                let place = place.unwrap_or_else(|| all.add_column(name));
                all.columns[place].cells[record] = Some(cell.get());
            }
        }
        all
    }

    /// Adds a column without cells. Returns its place.
    fn add_column(&mut self, name: String) -> usize {
        let cells = vec![None; self.records];
        self.columns.push(Column { name, cells });
        self.columns.len() - 1
    }

    pub(crate) fn columns(&self) -> &[Column<'a>] {
        &self.columns
    }

    pub(crate) fn records(&self) -> usize {
        self.records
    }

    pub(crate) fn strays(&self) -> &[(usize, &'a str)] {
        &self.strays
    }
}

/// The members of an object in their order, which a map forgets.
pub(crate) struct Members<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}
