//! Records taken apart: the names of their cells, and the JSON of each as it is.

use std::sync::Arc;

use memchr::{memchr2, memchr3};
use serde_json::value::RawValue;

use crate::input::write_text;

/// The names of cells, which are the same from record to record.
pub(crate) type Names = Arc<Vec<String>>;

/// The cells of one record, each with its text as the service or the file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cells<'a> {
    names: Names,
    cells: Vec<&'a str>,
}

impl<'a> Cells<'a> {
    pub(crate) fn new(names: Names, cells: Vec<&'a str>) -> Self {
        Self { names, cells }
    }

    /// The names of the cells, in their order.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// The JSON of the cell at a place.
    pub(crate) fn at(&self, place: usize) -> Option<&'a str> {
        self.cells.get(place).copied()
    }

    /// The JSON of the cell of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.at(self.names.iter().position(|known| known == name)?)
    }

    /// Each name with its JSON.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        let cells = self.cells.iter().copied();
        self.names.iter().map(String::as_str).zip(cells)
    }

    /// The cells as a JSON object.
    pub(crate) fn to_object(&self) -> Box<RawValue> {
        let mut json = vec![b'{'];
        for (name, cell) in self.iter() {
            if json.len() > 1 {
                json.push(b',');
            }
            write_text(name, &mut json);
            json.push(b':');
            json.extend_from_slice(cell.as_bytes());
        }
        json.push(b'}');
        let json = String::from_utf8(json).expect("made of texts");
        RawValue::from_string(json).expect("made of JSON")
    }
}

/// Takes records apart. It keeps the names, since the next record most probably has the same.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    names: Names,
    /// The names as JSON has them, with quotes.
    keys: Vec<Vec<u8>>,
}

impl Splitter {
    /// Takes an object apart; `None` if the text is something else. The text has to be valid JSON.
    pub(crate) fn object<'a>(&mut self, json: &'a str, cells: &mut Cells<'a>) -> Option<()> {
        self.next_object(&mut Cursor { json, at: 0 }, cells)
    }

    /// Takes the records of a chunk apart: a list of objects, or a table with a header row. The
    /// text has to be valid JSON.
    pub(crate) fn records<'a, 's>(&'s mut self, json: &'a str) -> Records<'a, 's> {
        let mut cursor = Cursor { json, at: 0 };
        // Anything else than a list has no records.
        let is_list = cursor.eat(b'[').is_some();
        let mut records = Records {
            cursor,
            splitter: self,
            is_table: false,
            is_over: !is_list,
        };
        if is_list && records.cursor.peek() == Some(b'[') {
            records.is_table = true;
            let header = records.cursor.value().map(serde_json::from_str);
            match header {
                Some(Ok(names)) => {
                    records.splitter.know(names);
                    records.separate();
                }
                _ => records.is_over = true,
            }
        }
        records
    }

    fn know(&mut self, names: Vec<String>) {
        if *self.names == names {
            return;
        }
        let key = |name: &String| {
            let mut key = Vec::with_capacity(name.len() + 2);
            write_text(name, &mut key);
            key
        };
        self.keys = names.iter().map(key).collect();
        self.names = Arc::new(names);
    }

    fn next_object<'a>(&mut self, cursor: &mut Cursor<'a>, cells: &mut Cells<'a>) -> Option<()> {
        cells.cells.clear();
        // Filled from the first name on that is another one than last time.
        let mut own: Option<Vec<String>> = None;
        cursor.list(b'{', b'}', |cursor| {
            let place = cells.cells.len();
            let expected = self.keys.get(place).filter(|_| own.is_none());
            if !expected.is_some_and(|key| cursor.eat_text(key)) {
                let name = serde_json::from_str(cursor.value()?).ok()?;
                let known = || self.names[..place.min(self.names.len())].to_vec();
                own.get_or_insert_with(known).push(name);
            }
            cursor.eat(b':')?;
            cells.cells.push(cursor.value()?);
            Some(())
        })?;
        if let Some(names) = own {
            self.know(names);
        } else if cells.cells.len() < self.names.len() {
            self.know(self.names[..cells.cells.len()].to_vec());
        }
        self.name(cells);
        Some(())
    }

    fn name(&self, cells: &mut Cells<'_>) {
        if !Arc::ptr_eq(&cells.names, &self.names) {
            cells.names = Arc::clone(&self.names);
        }
    }
}

/// The records of a chunk, one after the other.
#[derive(Debug)]
pub(crate) struct Records<'a, 's> {
    cursor: Cursor<'a>,
    splitter: &'s mut Splitter,
    is_table: bool,
    is_over: bool,
}

impl<'a> Records<'a, '_> {
    /// Takes the next record apart; `None` if it has no cells, as one that failed, and at the end.
    pub(crate) fn next(&mut self, cells: &mut Cells<'a>) -> Option<()> {
        if self.is_over {
            return None;
        }
        let taken = match self.cursor.peek() {
            Some(b'{') if !self.is_table => self.splitter.next_object(&mut self.cursor, cells),
            Some(b'[') if self.is_table => self.row(cells),
            // The end of the list is no value.
            _ => {
                self.is_over = self.cursor.value().is_none();
                None
            }
        };
        self.separate();
        taken
    }

    fn row(&mut self, cells: &mut Cells<'a>) -> Option<()> {
        cells.cells.clear();
        self.cursor.list(b'[', b']', |cursor| {
            cells.cells.push(cursor.value()?);
            Some(())
        })?;
        self.splitter.name(cells);
        (cells.cells.len() == self.splitter.names.len()).then_some(())
    }

    fn separate(&mut self) {
        self.is_over |= self.cursor.eat(b',').is_none();
    }
}

/// A position in JSON text that is known to be valid, so that it is enough to look at brackets and
/// quotes. Methods return `None` if they do not find what they look for.
#[derive(Debug)]
struct Cursor<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.json.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    #[inline]
    fn eat_text(&mut self, text: &[u8]) -> bool {
        self.peek();
        let rest = self.json.as_bytes().get(self.at..).unwrap_or_default();
        let is_there = rest.starts_with(text);
        if is_there {
            self.at += text.len();
        }
        is_there
    }

    /// Steps over a list or an object; `item` steps over each of what is in it.
    #[inline]
    fn list(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.eat(open)?;
        if self.eat(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            if self.eat(b',').is_none() {
                return self.eat(close);
            }
        }
    }

    /// Steps over a value, and returns its text.
    #[inline]
    fn value(&mut self) -> Option<&'a str> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => self.text()?,
            b'[' | b'{' => self.nested()?,
            _ => {
                let rest = self.json.as_bytes().get(start..)?;
                let is_end =
                    |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                self.at += rest.iter().position(is_end).unwrap_or(rest.len());
            }
        }
        self.json
            .get(start..self.at)
            .filter(|text| !text.is_empty())
    }

    #[inline]
    fn text(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            self.at += memchr2(b'"', b'\\', self.json.as_bytes().get(self.at..)?)?;
            match self.json.as_bytes().get(self.at)? {
                b'"' => break,
                _ => self.at += 2,
            }
        }
        self.at += 1;
        Some(())
    }

    fn nested(&mut self) -> Option<()> {
        let (open, close) = match self.json.as_bytes().get(self.at)? {
            b'[' => (b'[', b']'),
            _ => (b'{', b'}'),
        };
        let mut depth = 0_usize;
        loop {
            // The other kind of brackets is balanced in between.
            self.at += memchr3(open, close, b'"', self.json.as_bytes().get(self.at..)?)?;
            let byte = *self.json.as_bytes().get(self.at)?;
            if byte == b'"' {
                self.text()?;
                continue;
            }
            self.at += 1;
            depth = if byte == open { depth + 1 } else { depth - 1 };
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cells: &Cells<'_>) -> String {
        let cells = cells.iter().map(|(name, json)| format!("{name}={json}"));
        cells.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn cells_keep_their_text_and_share_their_names() {
        let mut splitter = Splitter::default();
        let mut cells = Cells::default();
        let mut names = Vec::new();
        for (json, expected) in [
            (r#"{"a": 1.50, "b": "x"}"#, r#"a=1.50 b="x""#),
            (
                r#" { "a" :null,"b": [1, {"c": "]}"}, []] } "#,
                r#"a=null b=[1, {"c": "]}"}, []]"#,
            ),
            (r#"{"a": "\"\\", "b":{}}"#, r#"a="\"\\" b={}"#),
            (r#"{"a": 1}"#, "a=1"),
            (r#"{"a": 1, "c": 2, "b": 3}"#, "a=1 c=2 b=3"),
            (r#"{"b": 1, "\u0061": true}"#, "b=1 a=true"),
            (r#"{"a\"": 1, "ab": 2}"#, r#"a"=1 ab=2"#),
            ("{}", ""),
        ] {
            splitter.object(json, &mut cells).unwrap();
            assert_eq!(shown(&cells), expected);
            names.push(Arc::clone(cells.names()));
        }
        assert!(Arc::ptr_eq(&names[0], &names[1]) && Arc::ptr_eq(&names[1], &names[2]));
        for json in ["7", "null", "[1]", r#""a""#, "", "{\"a\"", "{\"a\":"] {
            assert!(splitter.object(json, &mut cells).is_none(), "{json}");
        }
    }

    #[test]
    fn the_records_of_a_chunk_come_one_after_the_other() {
        let read = |json: &str| {
            let mut splitter = Splitter::default();
            let mut records = splitter.records(json);
            let mut cells = Cells::default();
            let next = |_| match records.next(&mut cells) {
                Some(()) => shown(&cells),
                None => "-".to_owned(),
            };
            (0..4).map(next).collect::<Vec<_>>().join("|")
        };
        assert_eq!(read(r#"[{"a":1},null,{"a":2}]"#), "a=1|-|a=2|-");
        assert_eq!(read(r#"[null, 7 ,{"b":[]}]"#), "-|-|b=[]|-");
        assert_eq!(read(r#" [["a"], [1], null, [2]] "#), "a=1|-|a=2|-");
        assert_eq!(read(r#"[["a","b"],[1],[],[3,"x"]]"#), "-|-|a=3 b=\"x\"|-");
        assert_eq!(read("[]"), "-|-|-|-");
        assert_eq!(read("7"), "-|-|-|-");
        assert_eq!(read("[[1],[2]]"), "-|-|-|-");
    }
}
