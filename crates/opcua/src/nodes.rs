//! The nodes of the vision systems in the server, and the calls of their methods.

use std::collections::HashMap;

use async_trait::async_trait;
use opcua::server::address_space::AddressSpace;
use opcua::server::diagnostics::NamespaceMetadata;
use opcua::server::node_manager::memory::{
    InMemoryNodeManagerImpl, InMemoryNodeManagerImplBuilder,
};
use opcua::server::node_manager::{MethodCall, RequestContext, ServerContext};
use opcua::sync::RwLock;
use opcua::types::{NodeId, StatusCode};

use crate::call::{Answer, Caller};
use crate::ids::{INSTANCES, NAMESPACE};
use crate::instance::{self, Namespaces};
use crate::method::Method;
use crate::nodeset::Import;

/// The name of the node manager, for the log.
const NAME: &str = "vision systems";

/// The nodes.
pub struct VisionNodes {
    namespaces: Namespaces,
    methods: HashMap<NodeId, (Caller, Method)>,
}

/// Makes the nodes when the server is built.
pub struct Builder {
    /// The systems by name.
    pub systems: Vec<(String, Caller)>,
}

/// The indices that the namespaces get: the server adds them in this order, after the namespaces of OPC UA and of the
/// server itself.
pub const EXPECTED: Namespaces = Namespaces {
    types: 2,
    instances: 3,
};

impl InMemoryNodeManagerImplBuilder for Builder {
    type Impl = VisionNodes;

    fn build(self, context: ServerContext, space: &mut AddressSpace) -> VisionNodes {
        let namespaces = {
            let mut types = context.type_tree.write();
            // The server itself gets the index 1.
            types
                .namespaces_mut()
                .add_namespace(context.info.application_uri.as_ref());
            space.import_node_set(&Import, types.namespaces_mut());
            Namespaces {
                types: types.namespaces_mut().add_namespace(NAMESPACE),
                instances: types.namespaces_mut().add_namespace(INSTANCES),
            }
        };
        space.add_namespace(INSTANCES, namespaces.instances);
        let mut methods = HashMap::new();
        for (name, caller) in self.systems {
            instance::add(space, namespaces, &name);
            for method in Method::ALL {
                let id = instance::id(namespaces, &name, method.path());
                methods.insert(id, (caller.clone(), method));
            }
        }
        VisionNodes {
            namespaces,
            methods,
        }
    }
}

impl VisionNodes {
    /// Returns the indices of the namespaces.
    pub fn namespaces(&self) -> Namespaces {
        self.namespaces
    }
}

#[async_trait]
#[expect(clippy::mut_mut, reason = "the signature of the library")]
impl InMemoryNodeManagerImpl for VisionNodes {
    async fn init(&self, _space: &mut AddressSpace, _context: ServerContext) {}

    fn name(&self) -> &str {
        NAME
    }

    fn namespaces(&self) -> Vec<NamespaceMetadata> {
        let metadata = |uri: &str, index| NamespaceMetadata {
            namespace_uri: uri.to_owned(),
            namespace_index: index,
            ..NamespaceMetadata::default()
        };
        let mut types = metadata(NAMESPACE, self.namespaces.types);
        types.namespace_version = Some("1.0.0".to_owned());
        vec![types, metadata(INSTANCES, self.namespaces.instances)]
    }

    async fn call(
        &self,
        context: &RequestContext,
        _space: &RwLock<AddressSpace>,
        methods_to_call: &mut [&mut &mut MethodCall],
    ) -> Result<(), StatusCode> {
        for call in methods_to_call {
            let Some((caller, method)) = self.methods.get(call.method_id()) else {
                call.set_status(StatusCode::BadMethodInvalid);
                continue;
            };
            let user = context.user_token().0.clone();
            match caller.call(*method, call.arguments(), user).await {
                Answer::Good(outputs) => {
                    call.set_outputs(outputs);
                    call.set_status(StatusCode::Good);
                }
                Answer::WrongArgument(index, status) => {
                    let mut results = vec![StatusCode::Good; call.arguments().len()];
                    if let Some(result) = results.get_mut(index) {
                        *result = status;
                    }
                    call.set_argument_error(results);
                }
                Answer::Bad(status) => call.set_status(status),
            }
        }
        Ok(())
    }
}
