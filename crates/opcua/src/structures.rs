//! The structures of OPC 40100-1 that the server sends and receives.

use std::sync::LazyLock;

use opcua::types::{
    BinaryDecodable, BinaryEncodable, ByteString, DateTime, ExpandedMessageInfo, ExpandedNodeId,
    LocalizedText, NodeId, StaticTypeLoader, TypeLoaderInstance, UAString, UaNullable, Variant,
    binary_decode_to_enc,
};

use crate::ids::{NAMESPACE, binary_encoding, data_type};

/// Declares the ids of a structure.
macro_rules! structure {
    ($name:ident, $constant:ident) => {
        impl ExpandedMessageInfo for $name {
            fn full_type_id(&self) -> ExpandedNodeId {
                own_id(binary_encoding::$constant)
            }

            // JSON and XML are not used.
            fn full_json_type_id(&self) -> ExpandedNodeId {
                own_id(data_type::$constant)
            }

            fn full_xml_type_id(&self) -> ExpandedNodeId {
                own_id(data_type::$constant)
            }

            fn full_data_type_id(&self) -> ExpandedNodeId {
                own_id(data_type::$constant)
            }
        }
    };
}

fn own_id(number: u32) -> ExpandedNodeId {
    ExpandedNodeId {
        node_id: NodeId::new(0, number),
        namespace_uri: NAMESPACE.into(),
        server_index: 0,
    }
}

/// The id of a recipe in the system that manages recipes.
#[derive(Clone, Debug, Default, PartialEq, BinaryEncodable, BinaryDecodable, UaNullable)]
pub struct RecipeIdExternal {
    /// The id.
    pub id: UAString,
    /// The version.
    #[opcua(optional)]
    pub version: Option<UAString>,
    /// The hash of the content.
    #[opcua(optional)]
    pub hash: Option<ByteString>,
    /// The algorithm of the hash.
    #[opcua(optional)]
    pub hash_algorithm: Option<UAString>,
    /// A description.
    #[opcua(optional)]
    pub description: Option<LocalizedText>,
}
structure!(RecipeIdExternal, RECIPE_ID_EXTERNAL);

/// The id of a recipe in the vision system.
#[derive(Clone, Debug, Default, PartialEq, BinaryEncodable, BinaryDecodable, UaNullable)]
pub struct RecipeIdInternal {
    /// The id.
    pub id: UAString,
    /// The version.
    #[opcua(optional)]
    pub version: Option<UAString>,
    /// The hash of the content.
    #[opcua(optional)]
    pub hash: Option<ByteString>,
    /// The algorithm of the hash.
    #[opcua(optional)]
    pub hash_algorithm: Option<UAString>,
    /// A description.
    #[opcua(optional)]
    pub description: Option<LocalizedText>,
}
structure!(RecipeIdInternal, RECIPE_ID_INTERNAL);

/// The id of a configuration.
#[derive(Clone, Debug, Default, PartialEq, BinaryEncodable, BinaryDecodable, UaNullable)]
pub struct ConfigurationId {
    /// The id.
    pub id: UAString,
    /// The version.
    #[opcua(optional)]
    pub version: Option<UAString>,
    /// The hash of the content.
    #[opcua(optional)]
    pub hash: Option<ByteString>,
    /// The algorithm of the hash.
    #[opcua(optional)]
    pub hash_algorithm: Option<UAString>,
    /// A description.
    #[opcua(optional)]
    pub description: Option<LocalizedText>,
}
structure!(ConfigurationId, CONFIGURATION_ID);

/// A configuration of the vision system.
#[derive(Clone, Debug, Default, PartialEq, BinaryEncodable, BinaryDecodable, UaNullable)]
pub struct Configuration {
    /// Whether it is transferred as a file.
    #[opcua(optional)]
    pub has_transferable_data_on_file: Option<bool>,
    /// The id in the system that manages configurations.
    #[opcua(optional)]
    pub external_id: Option<ConfigurationId>,
    /// The id in the vision system.
    pub internal_id: ConfigurationId,
    /// When it was changed.
    pub last_modified: DateTime,
}
structure!(Configuration, CONFIGURATION);

/// The id of a product.
#[derive(Clone, Debug, Default, PartialEq, BinaryEncodable, BinaryDecodable, UaNullable)]
pub struct ProductId {
    /// The id.
    pub id: UAString,
    /// A description.
    #[opcua(optional)]
    pub description: Option<LocalizedText>,
}
structure!(ProductId, PRODUCT_ID);

/// The id of a part.
#[derive(Clone, Debug, Default, PartialEq, BinaryEncodable, BinaryDecodable, UaNullable)]
pub struct PartId {
    /// The id.
    pub id: UAString,
    /// A description.
    #[opcua(optional)]
    pub description: Option<LocalizedText>,
}
structure!(PartId, PART_ID);

/// The id of a measurement.
#[derive(Clone, Debug, Default, PartialEq, BinaryEncodable, BinaryDecodable, UaNullable)]
pub struct MeasId {
    /// The id.
    pub id: UAString,
    /// A description.
    #[opcua(optional)]
    pub description: Option<LocalizedText>,
}
structure!(MeasId, MEAS_ID);

/// The id of a job.
#[derive(Clone, Debug, Default, PartialEq, BinaryEncodable, BinaryDecodable, UaNullable)]
pub struct JobId {
    /// The id.
    pub id: UAString,
}
structure!(JobId, JOB_ID);

/// The id of a result.
#[derive(Clone, Debug, Default, PartialEq, BinaryEncodable, BinaryDecodable, UaNullable)]
pub struct ResultId {
    /// The id.
    pub id: UAString,
}
structure!(ResultId, RESULT_ID);

/// When a result was made, and how long it took.
#[derive(Clone, Debug, Default, PartialEq, BinaryEncodable, BinaryDecodable, UaNullable)]
pub struct ProcessingTimes {
    /// When the frame was captured.
    pub start_time: DateTime,
    /// When the verdict was made.
    pub end_time: DateTime,
    /// The duration of the acquisition, in milliseconds.
    #[opcua(optional)]
    pub acquisition_duration: Option<f64>,
    /// The duration of the processing, in milliseconds.
    #[opcua(optional)]
    pub processing_duration: Option<f64>,
}
structure!(ProcessingTimes, PROCESSING_TIMES);

/// The state of the system in the sense of SEMI E10, and a description.
#[derive(Clone, Debug, Default, PartialEq, BinaryEncodable, BinaryDecodable, UaNullable)]
pub struct SystemStateDescription {
    /// The number of the state in `SystemStateDataType`.
    pub state: i32,
    /// A description.
    #[opcua(optional)]
    pub state_description: Option<UAString>,
}
structure!(SystemStateDescription, SYSTEM_STATE_DESCRIPTION);

/// A result.
#[derive(Clone, Debug, Default, PartialEq, BinaryEncodable, BinaryDecodable, UaNullable)]
pub struct InspectionResult {
    /// The id.
    pub result_id: ResultId,
    /// Whether there is data that is transferred as a file.
    #[opcua(optional)]
    pub has_transferable_data_on_file: Option<bool>,
    /// Whether more of the result follows.
    pub is_partial: bool,
    /// Whether the frames were rendered.
    #[opcua(optional)]
    pub is_simulated: Option<bool>,
    /// The state of the processing.
    pub result_state: i32,
    /// The measurement.
    #[opcua(optional)]
    pub meas_id: Option<MeasId>,
    /// The part.
    #[opcua(optional)]
    pub part_id: Option<PartId>,
    /// The recipe, in the system that manages recipes.
    #[opcua(optional)]
    pub external_recipe_id: Option<RecipeIdExternal>,
    /// The recipe, in the vision system.
    pub internal_recipe_id: RecipeIdInternal,
    /// The product.
    #[opcua(optional)]
    pub product_id: Option<ProductId>,
    /// The configuration, in the system that manages configurations.
    #[opcua(optional)]
    pub external_configuration_id: Option<ConfigurationId>,
    /// The configuration, in the vision system.
    pub internal_configuration_id: ConfigurationId,
    /// The job.
    pub job_id: JobId,
    /// When it was made.
    pub creation_time: DateTime,
    /// When the processing began and ended.
    #[opcua(optional)]
    pub processing_times: Option<ProcessingTimes>,
    /// The content: an optional field, whose array may be null.
    #[opcua(optional)]
    #[expect(
        clippy::option_option,
        reason = "the library encodes an optional array like this"
    )]
    pub result_content: Option<Option<Vec<Variant>>>,
}
structure!(InspectionResult, RESULT);

/// Decodes the structures that clients send.
#[derive(Clone, Copy, Debug)]
pub struct Loader;

static INSTANCE: LazyLock<TypeLoaderInstance> = LazyLock::new(|| {
    let mut types = TypeLoaderInstance::new();
    macro_rules! add {
        ($($name:ident $constant:ident;)*) => {
            $(types.add_binary_type(
                data_type::$constant,
                binary_encoding::$constant,
                binary_decode_to_enc::<$name>,
            );)*
        };
    }
    add! {
        RecipeIdExternal RECIPE_ID_EXTERNAL;
        RecipeIdInternal RECIPE_ID_INTERNAL;
        Configuration CONFIGURATION;
        ConfigurationId CONFIGURATION_ID;
        ProductId PRODUCT_ID;
        PartId PART_ID;
        MeasId MEAS_ID;
        JobId JOB_ID;
        ResultId RESULT_ID;
        ProcessingTimes PROCESSING_TIMES;
        SystemStateDescription SYSTEM_STATE_DESCRIPTION;
        InspectionResult RESULT;
    }
    types
});

impl StaticTypeLoader for Loader {
    fn instance() -> &'static TypeLoaderInstance {
        &INSTANCE
    }

    fn namespace() -> &'static str {
        NAMESPACE
    }
}
