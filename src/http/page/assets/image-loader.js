// Loads pictures off-screen, few at a time, so that calls and other pages get connections too.

const AT_ONCE = 3;
const TIMEOUT_MS = 15000;

const waiting = [];
let loading = 0;

/**
 * Loads and decodes a picture.
 * @param {string} url
 * @param {function(): boolean} [isWanted] asked when a picture that had to wait is about to be loaded
 * @returns {Promise<HTMLImageElement>} rejected if the picture cannot be loaded, or is no longer wanted
 */
export function loadImage(url, isWanted = () => true) {
  return new Promise((resolve, reject) => {
    const job = { url, isWanted, resolve, reject };
    if (loading < AT_ONCE) start(job);
    else waiting.push(job);
  });
}

function start({ url, resolve, reject }) {
  loading++;
  const image = new Image();
  image.alt = "";
  image.draggable = false;
  image.src = url;
  const timer = setTimeout(() => image.removeAttribute("src"), TIMEOUT_MS);
  const end = () => {
    clearTimeout(timer);
    loading--;
    startNext();
  };
  image.decode().then(() => resolve(image), reject).finally(end);
}

function startNext() {
  const job = waiting.shift();
  if (!job) return;
  if (job.isWanted()) {
    start(job);
  } else {
    job.reject(new Error("not wanted"));
    startNext();
  }
}
