//! Reads arguments one by one.

use opcua::types::{StatusCode, Variant};

use super::{ArgumentError, Cause, JobRequest, RecipeChoice, RecipeFilter, ResultFilter, Window};
use crate::result::hash_digits;
use crate::structures::{
    ConfigurationId, JobId, MeasId, PartId, ProductId, RecipeIdExternal, RecipeIdInternal, ResultId,
};

/// The longest id that a client may send, in bytes; also that of a part in the daemon.
const LONGEST_ID_BYTES: usize = 128;
/// The longest description of a cause that is logged, in bytes.
pub const LONGEST_CAUSE_BYTES: usize = 200;

/// Arguments that are read one by one.
pub struct Arguments<'a> {
    values: &'a [Variant],
    next: usize,
}

impl<'a> Arguments<'a> {
    /// Begins with the first argument.
    pub fn new(values: &'a [Variant]) -> Self {
        Self { values, next: 0 }
    }

    fn take(&mut self) -> Result<(usize, &Variant), ArgumentError> {
        let index = self.next;
        let value = self.values.get(index).ok_or(ArgumentError::Missing)?;
        self.next += 1;
        Ok((index, value))
    }

    /// A structure; the default in place of a null value.
    fn structure<T: Clone + Default + Send + Sync + 'static>(
        &mut self,
    ) -> Result<T, ArgumentError> {
        let (index, value) = self.take()?;
        match value {
            Variant::Empty => Ok(T::default()),
            Variant::ExtensionObject(object) if object.is_null() => Ok(T::default()),
            Variant::ExtensionObject(object) => {
                let found = object.inner_as::<T>().cloned();
                found.ok_or(ArgumentError::Wrong(index, StatusCode::BadTypeMismatch))
            }
            _ => Err(ArgumentError::Wrong(index, StatusCode::BadTypeMismatch)),
        }
    }

    fn number(&mut self) -> Result<(usize, i64), ArgumentError> {
        let (index, value) = self.take()?;
        let number = match value {
            Variant::Empty => Some(0),
            Variant::SByte(number) => Some(i64::from(*number)),
            Variant::Byte(number) => Some(i64::from(*number)),
            Variant::Int16(number) => Some(i64::from(*number)),
            Variant::UInt16(number) => Some(i64::from(*number)),
            Variant::Int32(number) => Some(i64::from(*number)),
            Variant::UInt32(number) => Some(i64::from(*number)),
            Variant::Int64(number) => Some(*number),
            _ => None,
        };
        let wrong = ArgumentError::Wrong(index, StatusCode::BadTypeMismatch);
        Ok((index, number.ok_or(wrong)?))
    }

    /// A whole number of 32 bits.
    pub fn signed(&mut self) -> Result<i32, ArgumentError> {
        let (index, number) = self.number()?;
        let wrong = ArgumentError::Wrong(index, StatusCode::BadOutOfRange);
        i32::try_from(number).map_err(|_| wrong)
    }

    /// A whole number of 32 bits without a sign.
    pub fn unsigned(&mut self) -> Result<u32, ArgumentError> {
        let (index, number) = self.number()?;
        let wrong = ArgumentError::Wrong(index, StatusCode::BadOutOfRange);
        u32::try_from(number).map_err(|_| wrong)
    }

    fn text(&mut self) -> Result<String, ArgumentError> {
        let (index, value) = self.take()?;
        match value {
            Variant::Empty => Ok(String::new()),
            Variant::String(text) => Ok(text.as_ref().to_owned()),
            _ => Err(ArgumentError::Wrong(index, StatusCode::BadTypeMismatch)),
        }
    }

    /// Checks an id that was read last.
    fn id(&self, text: &str) -> Result<String, ArgumentError> {
        let text = text.trim();
        if text.len() > LONGEST_ID_BYTES || text.chars().any(char::is_control) {
            return Err(ArgumentError::Wrong(
                self.next - 1,
                StatusCode::BadOutOfRange,
            ));
        }
        Ok(text.to_owned())
    }

    /// The id of a result.
    pub fn result_id(&mut self) -> Result<String, ArgumentError> {
        let id = self.structure::<ResultId>()?;
        let id = id.id.as_ref().trim();
        // Longer than the id of a part: it has the name of the box and the run.
        if id.len() > 2 * LONGEST_ID_BYTES {
            return Err(ArgumentError::Wrong(0, StatusCode::BadOutOfRange));
        }
        Ok(id.to_owned())
    }

    /// The id of a configuration.
    pub fn configuration_id(&mut self) -> Result<String, ArgumentError> {
        let id = self.structure::<ConfigurationId>()?;
        self.id(id.id.as_ref())
    }

    /// The id of a recipe in the system that manages recipes.
    pub fn external_recipe(&mut self) -> Result<RecipeChoice, ArgumentError> {
        let recipe = self.structure::<RecipeIdExternal>()?;
        Ok(RecipeChoice {
            id: self.id(recipe.id.as_ref())?,
            version: recipe.version.map(|it| it.to_string()).unwrap_or_default(),
            sha256: recipe.hash.map(|it| hash_digits(&it)).unwrap_or_default(),
        })
    }

    fn internal_recipe(&mut self) -> Result<RecipeChoice, ArgumentError> {
        let recipe = self.structure::<RecipeIdInternal>()?;
        Ok(RecipeChoice {
            id: self.id(recipe.id.as_ref())?,
            version: recipe.version.map(|it| it.to_string()).unwrap_or_default(),
            sha256: recipe.hash.map(|it| hash_digits(&it)).unwrap_or_default(),
        })
    }

    /// The external and the internal id of a recipe, one of which must be set.
    pub fn recipe_choice(&mut self) -> Result<RecipeChoice, ArgumentError> {
        let external = self.external_recipe()?;
        let internal = self.internal_recipe()?;
        let is_different = external.id != internal.id;
        match (external.id.is_empty(), internal.id.is_empty()) {
            (true, true) => Err(ArgumentError::Wrong(0, StatusCode::BadOutOfRange)),
            (false, false) if is_different => {
                Err(ArgumentError::Wrong(1, StatusCode::BadOutOfRange))
            }
            (_, false) => Ok(internal),
            (false, true) => Ok(external),
        }
    }

    /// Products are not supported.
    fn no_product(&mut self) -> Result<(), ArgumentError> {
        let product = self.structure::<ProductId>()?;
        let is_empty = product.id.as_ref().is_empty();
        is_empty.then_some(()).ok_or(ArgumentError::NotSupported)
    }

    /// Why a client changes the state.
    pub fn cause(&mut self) -> Result<Cause, ArgumentError> {
        let number = self.signed()?;
        let text = self.text()?;
        let visible = text.chars().filter(|letter| !letter.is_control());
        let mut description = String::new();
        for letter in visible {
            if description.len() + letter.len_utf8() > LONGEST_CAUSE_BYTES {
                break;
            }
            description.push(letter);
        }
        Ok(Cause {
            number,
            description,
        })
    }

    /// A job.
    pub fn job(&mut self) -> Result<JobRequest, ArgumentError> {
        let meas = self.structure::<MeasId>()?;
        let meas = self.id(meas.id.as_ref())?;
        let part = self.structure::<PartId>()?;
        let part = self.id(part.id.as_ref())?;
        let recipe = self.external_recipe()?;
        self.no_product()?;
        let (_, parameters) = self.take()?;
        let is_empty = match parameters {
            Variant::Empty => true,
            Variant::Array(array) => array.values.is_empty(),
            _ => false,
        };
        if !is_empty {
            return Err(ArgumentError::NotSupported);
        }
        Ok(JobRequest {
            meas,
            part,
            recipe: (!recipe.id.is_empty()).then_some(recipe),
        })
    }

    /// Index and number of the entries, and the time-out, which is not used: calls of the daemon have their own time
    /// limit.
    pub fn window(&mut self) -> Result<Window, ArgumentError> {
        let max = self.unsigned()?;
        let start = self.unsigned()?;
        self.signed()?;
        Ok(Window { max, start })
    }

    /// A filter of recipes.
    pub fn recipe_filter(&mut self) -> Result<RecipeFilter, ArgumentError> {
        let id = self.external_recipe()?.id;
        self.no_product()?;
        let prepared = match self.signed()? {
            0 => Some(false),
            1 => Some(true),
            2 => None,
            _ => return Err(ArgumentError::Wrong(2, StatusCode::BadOutOfRange)),
        };
        Ok(RecipeFilter {
            id,
            prepared,
            window: self.window()?,
        })
    }

    /// A filter of results.
    pub fn result_filter(&mut self) -> Result<ResultFilter, ArgumentError> {
        let state = match self.signed()? {
            // Undefined.
            0 => None,
            state @ 1..=4 => Some(state),
            _ => return Err(ArgumentError::Wrong(0, StatusCode::BadOutOfRange)),
        };
        let meas = self.structure::<MeasId>()?;
        let meas = self.id(meas.id.as_ref())?;
        let part = self.structure::<PartId>()?;
        let part = self.id(part.id.as_ref())?;
        let external_recipe = self.external_recipe()?.id;
        let internal_recipe = self.internal_recipe()?;
        // There is no other system that manages configurations.
        let external = self.structure::<ConfigurationId>()?;
        if !external.id.as_ref().is_empty() {
            return Err(ArgumentError::NotSupported);
        }
        let configuration = self.structure::<ConfigurationId>()?;
        let configuration = self.id(configuration.id.as_ref())?;
        self.no_product()?;
        let job = self.structure::<JobId>()?;
        Ok(ResultFilter {
            state,
            meas,
            part,
            external_recipe,
            internal_recipe,
            configuration,
            job: self.id(job.id.as_ref())?,
            window: self.window()?,
        })
    }
}
