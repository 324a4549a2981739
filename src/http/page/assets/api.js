// Calls of the daemon. A call without a valid session leads to the sign-in page.

/** An answer that is not a success. */
class ApiError extends Error {
  /** @param {string} code such as "NOT_FOUND" @param {string} message @param {number} status */
  constructor(code, message, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

let clockOffset = 0;

/** The time of the daemon's clock, to the second. @returns {number} milliseconds since 1970 */
export const serverNow = () => Date.now() + clockOffset;

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new ApiError("UNREACHABLE", "The daemon does not answer.", 0);
  }
  const date = Date.parse(response.headers.get("date") ?? "");
  if (Number.isFinite(date)) clockOffset = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
  if (!response.ok) throw await toError(response);
  return response.status === 204 ? null : response.json();
}

async function toError(response) {
  const body = await response.json().catch(() => null);
  const message = body?.message || `The daemon answered with status ${response.status}.`;
  return new ApiError(body?.code ?? "UNKNOWN", message, response.status);
}

const post = (path, body) =>
  request(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

/** Opens the sign-in page, which leads back to this page. */
export function goToSignIn() {
  location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
}

/**
 * Calls a method of the API.
 * @param {string} service such as "InspectionService"
 * @param {string} method such as "ListVerdicts"
 * @param {Object} [body]
 * @returns {Promise<Object>}
 * @throws {ApiError}
 */
export async function call(service, method, body = {}) {
  try {
    return await post(`/api/${service}/${method}`, body);
  } catch (error) {
    if (error.status === 401) goToSignIn();
    throw error;
  }
}

/** A page of verdicts. @param {Object} body a ListVerdictsRequest @returns {Promise<Object>} */
export const listVerdicts = (body) => call("InspectionService", "ListVerdicts", body);

/** Who is signed in. @returns {Promise<Object>} */
export const getSession = () => request("/api/session");

/** Starts a session. @param {string} token @returns {Promise<null>} */
export const signIn = (token) => post("/sign-in", { token });

/** Ends the session. @returns {Promise<null>} */
export const signOut = () => post("/sign-out", {});

/**
 * The address of a picture of a verdict.
 * @param {number} sequence
 * @param {"frame"|"heatmap"} what
 * @param {number} side the longer side in pixels, at most
 * @returns {string}
 */
export const pictureUrl = (sequence, what, side) => `/pictures/${sequence}/${what}?side=${side}`;

/** Why a picture is not served. @param {string} url @returns {Promise<ApiError|null>} null: it is served */
export async function whyNoPicture(url) {
  try {
    const response = await fetch(url, { credentials: "same-origin" });
    if (response.ok) return null;
    if (response.status === 401) goToSignIn();
    return await toError(response);
  } catch {
    return new ApiError("UNREACHABLE", "The daemon does not answer.", 0);
  }
}
