//! Interpreter for the pickle stack machine, protocol 2, limited to the instructions of a state dict. The
//! instructions are described in `pickletools.py` of Python.

use std::collections::HashMap;

use super::cursor::Cursor;
use super::error::FormatError;
use super::objects::{Global, Id, Storage, Tensor, Value};

/// Maximum number of dimensions of a tensor, more than the kernels of `PyTorch` support.
const MAX_DIMENSIONS: usize = 64;

/// All values of a pickle.
#[derive(Debug, Default)]
pub(super) struct Objects(Vec<Value>);

impl Objects {
    pub(super) fn get(&self, id: Id) -> &Value {
        &self.0[id.0]
    }

    /// Iterates over all values.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    fn add(&mut self, value: Value) -> Id {
        self.0.push(value);
        Id(self.0.len() - 1)
    }
}

/// Interprets the pickle in `bytes`. Returns its values and the id of the result.
pub(super) fn load(bytes: &[u8]) -> Result<(Objects, Id), FormatError> {
    load_first(bytes).map(|(objects, root, _)| (objects, root))
}

/// Interprets the pickle at the start of `bytes`. Returns its values, the id of the result, and its length.
pub(super) fn load_first(bytes: &[u8]) -> Result<(Objects, Id, usize), FormatError> {
    let mut machine = Machine {
        cursor: Cursor::new(bytes),
        objects: Objects::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let (at, [opcode]) = (machine.cursor.at(), machine.cursor.take()?);
        if opcode == b'.' {
            let result = machine.pop()?;
            return Ok((machine.objects, result, machine.cursor.at()));
        }
        machine.step(opcode, at)?;
    }
}

struct Machine<'a> {
    cursor: Cursor<'a>,
    objects: Objects,
    stack: Vec<Id>,
    /// Heights of the stack at the marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

type Step = Result<(), FormatError>;

impl Machine<'_> {
    fn step(&mut self, opcode: u8, at: usize) -> Step {
        match opcode {
            0x80 => self.protocol(),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'q' | b'r' => self.memo_put(opcode),
            b'h' | b'j' => self.memo_get(opcode),
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(&items)
            }
            b's' | b'u' => self.set_items(opcode),
            b'R' => self.reduce(),
            b'b' => self.build(),
            _ => {
                let value = self.value(opcode, at)?;
                let id = self.objects.add(value);
                self.stack.push(id);
                Ok(())
            }
        }
    }

    /// Executes an instruction that creates a value.
    fn value(&mut self, opcode: u8, at: usize) -> Result<Value, FormatError> {
        match opcode {
            b'N' | 0x88 => Ok(Value::Opaque),
            0x89 => Ok(Value::False),
            b']' => Ok(Value::List(Vec::new())),
            b'G' => self.cursor.take::<8>().map(|_| Value::Opaque),
            b'K' => Ok(Value::Int(u8::from_le_bytes(self.cursor.take()?).into())),
            b'M' => Ok(Value::Int(u16::from_le_bytes(self.cursor.take()?).into())),
            b'J' => Ok(Value::Int(i32::from_le_bytes(self.cursor.take()?).into())),
            0x8a => self.cursor.long().map(Value::Int),
            b'X' => self.cursor.text().map(Value::Text),
            b'c' => Global::named(&self.cursor.line()?, &self.cursor.line()?).map(Value::Global),
            b'}' => Ok(Value::Dict(Vec::new())),
            b')' => Ok(Value::Tuple(Vec::new())),
            b't' => self.pop_to_mark().map(Value::Tuple),
            0x85..=0x87 => self.short_tuple(opcode).map(Value::Tuple),
            b'Q' => self.storage().map(Value::Storage),
            _ => Err(FormatError::Opcode { opcode, at }),
        }
    }

    /// Pops the topmost value, which must be above the last mark.
    fn pop(&mut self) -> Result<Id, FormatError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let above = self.stack.len() > floor;
        let id = if above { self.stack.pop() } else { None };
        id.ok_or(FormatError::Pickle("pops from an empty stack"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, FormatError> {
        let mark = self
            .marks
            .pop()
            .ok_or(FormatError::Pickle("pops to a mark that does not exist"))?;
        Ok(self.stack.split_off(mark))
    }

    fn protocol(&mut self) -> Step {
        match self.cursor.take()? {
            [2] => Ok(()),
            _ => Err(FormatError::Pickle(
                "does not use protocol 2, the default of torch.save",
            )),
        }
    }

    /// Pops the one to three values of a short tuple.
    fn short_tuple(&mut self, opcode: u8) -> Result<Vec<Id>, FormatError> {
        let items = (0x85..=opcode).map(|_| self.pop());
        let mut items = items.collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        Ok(items)
    }

    fn memo_key(&mut self, opcode: u8) -> Result<u32, FormatError> {
        match opcode {
            b'q' | b'h' => Ok(u8::from_le_bytes(self.cursor.take()?).into()),
            _ => Ok(u32::from_le_bytes(self.cursor.take()?)),
        }
    }

    fn memo_put(&mut self, opcode: u8) -> Step {
        let key = self.memo_key(opcode)?;
        let top = self
            .stack
            .last()
            .ok_or(FormatError::Pickle("memoizes a value of an empty stack"))?;
        self.memo.insert(key, *top);
        Ok(())
    }

    fn memo_get(&mut self, opcode: u8) -> Step {
        let key = self.memo_key(opcode)?;
        let id = self.memo.get(&key);
        let id = id.ok_or(FormatError::Pickle(
            "reads a memo entry that does not exist",
        ))?;
        self.stack.push(*id);
        Ok(())
    }

    fn set_items(&mut self, opcode: u8) -> Step {
        let items = if opcode == b'u' {
            self.pop_to_mark()?
        } else {
            let value = self.pop()?;
            vec![self.pop()?, value]
        };
        let dict = self.stack.last().map(|id| &mut self.objects.0[id.0]);
        let (Some(Value::Dict(dict)), true) = (dict, items.len().is_multiple_of(2)) else {
            return Err(FormatError::Pickle(
                "sets items of a value that is not a dictionary",
            ));
        };
        dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        Ok(())
    }

    fn append(&mut self, items: &[Id]) -> Step {
        match self.stack.last().map(|id| &mut self.objects.0[id.0]) {
            Some(Value::List(list)) => {
                list.extend(items);
                Ok(())
            }
            _ => Err(FormatError::Pickle("appends to a value that is not a list")),
        }
    }

    /// Ignores the attributes of a dictionary (`_metadata`: versions of the modules), which do not contain
    /// weights.
    fn build(&mut self) -> Step {
        self.pop()?;
        match self.stack.last().map(|id| self.objects.get(*id)) {
            Some(Value::Dict(_)) => Ok(()),
            _ => Err(FormatError::Pickle(
                "sets attributes of a value that is not a dictionary",
            )),
        }
    }

    /// Parses a storage reference: `("storage", class, key, device, length)`. Before `PyTorch` 1.6, None follows
    /// unless the storage is a view of another one.
    fn storage(&mut self) -> Result<Storage, FormatError> {
        let id = self.pop()?;
        match &self.values(id)[..] {
            [
                Value::Text(tag),
                Value::Global(Global::StorageOf(kind)),
                Value::Text(key),
                _,
                Value::Int(len),
            ]
            | [
                Value::Text(tag),
                Value::Global(Global::StorageOf(kind)),
                Value::Text(key),
                _,
                Value::Int(len),
                Value::Opaque,
            ] if tag == "storage" => Ok(Storage {
                kind: kind.clone(),
                key: key.clone(),
                len: size(*len)?,
            }),
            _ => Err(FormatError::Pickle(
                "refers to a storage in a different way than torch.save",
            )),
        }
    }

    /// Returns the items of a tuple, or an empty list for other values.
    fn values(&self, id: Id) -> Vec<&Value> {
        match self.objects.get(id) {
            Value::Tuple(items) => items.iter().map(|id| self.objects.get(*id)).collect(),
            _ => Vec::new(),
        }
    }

    fn reduce(&mut self) -> Step {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let unsupported =
            || FormatError::Pickle("calls a function in a different way than torch.save");
        let Value::Tuple(items) = self.objects.get(arguments) else {
            return Err(unsupported());
        };
        let result = match (self.objects.get(function), &items[..]) {
            (Value::Global(Global::OrderedDict), []) => self.objects.add(Value::Dict(Vec::new())),
            (Value::Global(Global::RebuildTensor), [storage, offset, shape, strides, ..]) => {
                let tensor = self.tensor(*storage, *offset, *shape, *strides)?;
                self.objects.add(Value::Tensor(tensor))
            }
            // A parameter is represented by its tensor.
            (Value::Global(Global::RebuildParameter), [tensor, ..]) => *tensor,
            _ => return Err(unsupported()),
        };
        self.stack.push(result);
        Ok(())
    }

    fn tensor(
        &self,
        storage: Id,
        offset: Id,
        shape: Id,
        strides: Id,
    ) -> Result<Tensor, FormatError> {
        let (Value::Storage(_), Value::Int(offset)) =
            (self.objects.get(storage), self.objects.get(offset))
        else {
            return Err(FormatError::Pickle(
                "creates a tensor in a different way than torch.save",
            ));
        };
        let tensor = Tensor {
            storage,
            offset: size(*offset)?,
            shape: self.sizes(shape)?,
            strides: self.sizes(strides)?,
        };
        if tensor.shape.len() == tensor.strides.len() {
            Ok(tensor)
        } else {
            Err(FormatError::Pickle(
                "contains a tensor whose numbers of strides and dimensions differ",
            ))
        }
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>, FormatError> {
        let values = self.values(id);
        if values.len() > MAX_DIMENSIONS {
            return Err(FormatError::Pickle(
                "contains a tensor with too many dimensions",
            ));
        }
        let sizes = values.into_iter().map(|value| match value {
            Value::Int(value) => size(*value),
            _ => Err(FormatError::Pickle(
                "contains a tensor with a shape or strides that are not integers",
            )),
        });
        sizes.collect()
    }
}

fn size(value: i64) -> Result<usize, FormatError> {
    usize::try_from(value).map_err(|_| FormatError::Pickle("contains a negative size"))
}

#[cfg(test)]
mod tests;
