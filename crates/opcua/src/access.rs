//! Who may connect, and which methods each user may call.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use opcua::crypto::Thumbprint;
use opcua::server::ServerEndpoint;
use opcua::server::authenticator::{
    AuthManager, Password, UserToken, user_pass_security_policy_id,
};
use opcua::types::{
    Error, MessageSecurityMode, NodeId, StatusCode, UAString, UserTokenPolicy, UserTokenType,
};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::config::{Proof, Role, User};
use crate::password::PasswordHash;

/// The identifier of the policy for certificates of users, as the library expects it.
const CERTIFICATE_POLICY: &str = "x509";
/// The pause after a wrong password or certificate.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// The longest name of a user that is logged.
const LONGEST_NAME_BYTES: usize = 64;

/// Decides who may connect and call which method.
pub struct Access {
    users: BTreeMap<String, User>,
    /// Checked in place of the hash of a user who does not exist, so that the time does not show which users exist.
    unknown: PasswordHash,
    /// Checking a password takes memory and time: one at a time.
    checks: Semaphore,
    /// The roles that the methods of all systems require.
    methods: HashMap<NodeId, Role>,
}

impl Access {
    /// Returns the access of these users to these methods.
    pub fn new(
        users: BTreeMap<String, User>,
        unknown: PasswordHash,
        methods: HashMap<NodeId, Role>,
    ) -> Self {
        Self {
            users,
            unknown,
            checks: Semaphore::new(1),
            methods,
        }
    }

    /// Returns the role of a user.
    fn role(&self, token: &UserToken) -> Option<Role> {
        self.users.get(&token.0).map(|user| user.role)
    }

    async fn fail(&self, what: &str, name: &str) -> Error {
        let known: String = name.chars().filter(|letter| !letter.is_control()).collect();
        let shown: String = known.chars().take(LONGEST_NAME_BYTES).collect();
        warn!(user = shown, "{what}");
        tokio::time::sleep(FAILURE_PAUSE).await;
        // The same answer for all causes.
        Error::new(
            StatusCode::BadIdentityTokenRejected,
            "the user cannot be authenticated",
        )
    }
}

#[async_trait]
impl AuthManager for Access {
    async fn authenticate_username_identity_token(
        &self,
        _endpoint: &ServerEndpoint,
        username: &str,
        password: &Password,
    ) -> Result<UserToken, Error> {
        let proof = self.users.get(username).map(|user| &user.proof);
        let (hash, is_known) = match proof {
            Some(Proof::Password(hash)) => (hash.as_ref().clone(), true),
            _ => (self.unknown.clone(), false),
        };
        let matches = {
            // It is never closed.
            let _permit = self.checks.acquire().await;
            let text = password.get().to_owned();
            let check = tokio::task::spawn_blocking(move || hash.matches(&text));
            check.await.unwrap_or(false)
        };
        if matches && is_known {
            info!(user = username, "user authenticated by password");
            return Ok(UserToken(username.to_owned()));
        }
        Err(self.fail("wrong user or password", username).await)
    }

    async fn authenticate_x509_identity_token(
        &self,
        _endpoint: &ServerEndpoint,
        signing_thumbprint: &Thumbprint,
    ) -> Result<UserToken, Error> {
        let mut users = self.users.iter();
        let found = users.find(|(_, user)| match &user.proof {
            Proof::Certificate(thumbprint) => thumbprint == signing_thumbprint.value(),
            Proof::Password(_) => false,
        });
        if let Some((name, _)) = found {
            info!(user = name, "user authenticated by certificate");
            return Ok(UserToken(name.clone()));
        }
        let thumbprint = signing_thumbprint.as_hex_string();
        Err(self
            .fail("unknown certificate of a user", &thumbprint)
            .await)
    }

    fn is_user_executable(&self, token: &UserToken, method_id: &NodeId) -> bool {
        let Some(&required) = self.methods.get(method_id) else {
            // Methods of the server itself, such as GetMonitoredItems.
            return true;
        };
        self.role(token).is_some_and(|role| role >= required)
    }

    fn user_token_policies(&self, endpoint: &ServerEndpoint) -> Vec<UserTokenPolicy> {
        let policy = |id: UAString, token_type, policy_uri: &str| UserTokenPolicy {
            policy_id: id,
            token_type,
            issued_token_type: UAString::null(),
            issuer_endpoint_url: UAString::null(),
            security_policy_uri: policy_uri.into(),
        };
        let mut users = self.users.values();
        let mut policies = Vec::new();
        let uri = endpoint.security_policy().to_uri();
        if users.any(|user| matches!(user.proof, Proof::Password(_))) {
            let id = user_pass_security_policy_id(endpoint);
            policies.push(policy(id, UserTokenType::UserName, uri));
        }
        let is_signed = endpoint.message_security_mode() != MessageSecurityMode::None;
        let mut users = self.users.values();
        // Without security nothing proves that the client has the key of the certificate.
        if is_signed && users.any(|user| matches!(user.proof, Proof::Certificate(_))) {
            policies.push(policy(
                CERTIFICATE_POLICY.into(),
                UserTokenType::Certificate,
                uri,
            ));
        }
        policies
    }
}

#[cfg(test)]
mod tests {
    use opcua::crypto::SecurityPolicy;

    use super::*;
    use crate::instance::{Namespaces, id};
    use crate::method::Method;

    fn access() -> Access {
        let hash = || PasswordHash::create("secret").expect("a hash");
        let by_password = |role| User {
            role,
            proof: Proof::Password(Box::new(hash())),
        };
        let users = BTreeMap::from([
            ("v".to_owned(), by_password(Role::Viewer)),
            ("o".to_owned(), by_password(Role::Operator)),
            (
                "e".to_owned(),
                User {
                    role: Role::Engineer,
                    proof: Proof::Certificate([7; 20]),
                },
            ),
        ]);
        let methods = Method::ALL.map(|method| (node(method), method.role()));
        Access::new(users, hash(), methods.into())
    }

    fn node(method: Method) -> NodeId {
        let namespaces = Namespaces {
            types: 2,
            instances: 3,
        };
        id(namespaces, "cell", method.path())
    }

    fn endpoint(policy: SecurityPolicy, mode: MessageSecurityMode) -> ServerEndpoint {
        ServerEndpoint::new("/", policy, mode, &[])
    }

    fn secure() -> ServerEndpoint {
        endpoint(
            SecurityPolicy::Basic256Sha256,
            MessageSecurityMode::SignAndEncrypt,
        )
    }

    #[test]
    fn each_role_may_call_its_methods_and_those_of_the_roles_before_it() {
        let access = access();
        let callable = |user: &str| {
            let token = UserToken(user.to_owned());
            let allowed = |method: &&Method| access.is_user_executable(&token, &node(**method));
            Method::ALL.iter().filter(allowed).count()
        };
        assert_eq!(callable("v"), 9);
        assert_eq!(callable("o"), 15);
        assert_eq!(callable("e"), 20);
        assert_eq!(callable("nobody"), 0);
        let viewer = UserToken("v".to_owned());
        assert!(!access.is_user_executable(&viewer, &node(Method::StartSingleJob)));
        assert!(access.is_user_executable(&viewer, &node(Method::GetResultById)));
        let operator = UserToken("o".to_owned());
        assert!(!access.is_user_executable(&operator, &node(Method::PrepareRecipe)));
        assert!(!access.is_user_executable(&operator, &node(Method::Reset)));
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_right_password_or_certificate_is_accepted() {
        let access = access();
        let password = |user: &'static str, text: &str| {
            let password = Password::new(text.to_owned());
            let access = &access;
            async move {
                access
                    .authenticate_username_identity_token(&secure(), user, &password)
                    .await
                    .map(|token| token.0)
                    .map_err(|error| error.status())
            }
        };
        let rejected = Err(StatusCode::BadIdentityTokenRejected);
        assert_eq!(password("v", "secret").await, Ok("v".to_owned()));
        assert_eq!(password("v", "Secret").await, rejected);
        assert_eq!(password("v", "").await, rejected);
        // The password in place of unknown users is not valid.
        assert_eq!(password("nobody", "secret").await, rejected);
        assert_eq!(password("e", "secret").await, rejected);
        let certificate = |bytes: [u8; 20]| {
            let access = &access;
            async move {
                let thumbprint = Thumbprint::new(&bytes);
                access
                    .authenticate_x509_identity_token(&secure(), &thumbprint)
                    .await
                    .map(|token| token.0)
                    .map_err(|error| error.status())
            }
        };
        assert_eq!(certificate([7; 20]).await, Ok("e".to_owned()));
        assert_eq!(certificate([8; 20]).await, rejected);
    }

    #[test]
    fn nobody_is_anonymous_and_certificates_require_security() {
        let access = access();
        let kinds = |endpoint: &ServerEndpoint| {
            let policies = access.user_token_policies(endpoint);
            policies
                .iter()
                .map(|policy| policy.token_type)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            kinds(&secure()),
            [UserTokenType::UserName, UserTokenType::Certificate]
        );
        let open = endpoint(SecurityPolicy::None, MessageSecurityMode::None);
        assert_eq!(kinds(&open), [UserTokenType::UserName]);
        assert!(!access.supports_anonymous(&secure()));
    }
}
