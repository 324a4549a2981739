//! Namespaces, and the numeric ids of OPC 40100-1 that the code names. A test compares them with the published nodeset.

/// The namespace of OPC 40100-1.
pub const NAMESPACE: &str = "http://opcfoundation.org/UA/MachineVision";

/// The namespace of the instances: the vision systems of this server.
pub const INSTANCES: &str = "urn:inspectd:opcua:instances";

/// Declares constants with the names that they have in the nodeset.
macro_rules! ids {
    ($($(#[$doc:meta])* $constant:ident = $name:literal $number:literal;)*) => {
        $($(#[$doc])* pub const $constant: u32 = $number;)*
        /// The names in the nodeset, and the ids.
        #[cfg(test)]
        pub const ALL: &[(&str, u32)] = &[$(($name, $number)),*];
    };
}

/// Types of objects.
pub mod object_type {
    ids! {
        /// `VisionSystemType`.
        VISION_SYSTEM = "VisionSystemType" 1003;
    }
}

/// Types of events.
pub mod event_type {
    ids! {
        /// `JobStartedEventType`.
        JOB_STARTED = "JobStartedEventType" 1013;
        /// `StateChangedEventType`.
        STATE_CHANGED = "StateChangedEventType" 1018;
        /// `ErrorEventType`.
        ERROR = "ErrorEventType" 1019;
        /// `ErrorResolvedEventType`.
        ERROR_RESOLVED = "ErrorResolvedEventType" 1020;
        /// `RecipePreparedEventType`.
        RECIPE_PREPARED = "RecipePreparedEventType" 1022;
        /// `ReadyEventType`.
        READY = "ReadyEventType" 1023;
        /// `ResultReadyEventType`.
        RESULT_READY = "ResultReadyEventType" 1024;
        /// `AcquisitionDoneEventType`.
        ACQUISITION_DONE = "AcquisitionDoneEventType" 1025;
    }
}

/// States.
pub mod state {
    ids! {
        /// `Preoperational`.
        PREOPERATIONAL = "Preoperational" 5028;
        /// `Halted`.
        HALTED = "Halted" 5029;
        /// `Error`.
        ERROR = "Error" 5030;
        /// `Operational`.
        OPERATIONAL = "Operational" 5031;
        /// `Initialized`.
        INITIALIZED = "Initialized" 5056;
        /// `Ready`.
        READY = "Ready" 5057;
        /// `SingleExecution`.
        SINGLE_EXECUTION = "SingleExecution" 5058;
        /// `ContinuousExecution`.
        CONTINUOUS_EXECUTION = "ContinuousExecution" 5059;
    }
}

/// Types of data.
pub mod data_type {
    ids! {
        /// `RecipeIdExternalDataType`.
        RECIPE_ID_EXTERNAL = "RecipeIdExternalDataType" 3002;
        /// `ProductIdDataType`.
        PRODUCT_ID = "ProductIdDataType" 3003;
        /// `PartIdDataType`.
        PART_ID = "PartIdDataType" 3004;
        /// `ProcessingTimesDataType`.
        PROCESSING_TIMES = "ProcessingTimesDataType" 3005;
        /// `ResultDataType`.
        RESULT = "ResultDataType" 3006;
        /// `ConfigurationDataType`.
        CONFIGURATION = "ConfigurationDataType" 3007;
        /// `ConfigurationIdDataType`.
        CONFIGURATION_ID = "ConfigurationIdDataType" 3008;
        /// `RecipeIdInternalDataType`.
        RECIPE_ID_INTERNAL = "RecipeIdInternalDataType" 3013;
        /// `MeasIdDataType`.
        MEAS_ID = "MeasIdDataType" 3015;
        /// `JobIdDataType`.
        JOB_ID = "JobIdDataType" 3016;
        /// `ResultIdDataType`.
        RESULT_ID = "ResultIdDataType" 3021;
        /// `SystemStateDescriptionDataType`.
        SYSTEM_STATE_DESCRIPTION = "SystemStateDescriptionDataType" 3024;
    }
}

/// Binary encodings of these types of data.
pub mod binary_encoding {
    /// Of `RecipeIdExternalDataType`.
    pub const RECIPE_ID_EXTERNAL: u32 = 5002;
    /// Of `ProductIdDataType`.
    pub const PRODUCT_ID: u32 = 5224;
    /// Of `PartIdDataType`.
    pub const PART_ID: u32 = 5013;
    /// Of `ProcessingTimesDataType`.
    pub const PROCESSING_TIMES: u32 = 5016;
    /// Of `ResultDataType`.
    pub const RESULT: u32 = 5018;
    /// Of `ConfigurationDataType`.
    pub const CONFIGURATION: u32 = 5088;
    /// Of `ConfigurationIdDataType`.
    pub const CONFIGURATION_ID: u32 = 5090;
    /// Of `RecipeIdInternalDataType`.
    pub const RECIPE_ID_INTERNAL: u32 = 5268;
    /// Of `MeasIdDataType`.
    pub const MEAS_ID: u32 = 5006;
    /// Of `JobIdDataType`.
    pub const JOB_ID: u32 = 5008;
    /// Of `ResultIdDataType`.
    pub const RESULT_ID: u32 = 5274;
    /// Of `SystemStateDescriptionDataType`.
    pub const SYSTEM_STATE_DESCRIPTION: u32 = 5278;
}
