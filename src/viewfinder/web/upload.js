// Takes dropped or chosen files, folders and zips, and PUTs each file's raw body under its relative path, a few at a
// time. The upload's id stands in the page's address: after an interruption, what is there already is not sent again.
const AT_ONCE = 4;
const ATTEMPTS = 3;
const HINT = "Drop a folder, files or a zip here";

async function walk(entry, path, found) {
  if (entry.isFile) {
    const file = await new Promise((done, fail) => entry.file(done, fail));
    found.push([path + file.name, file]);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const entries = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!entries.length) return;
    for (const one of entries) await walk(one, `${path}${entry.name}/`, found);
  }
}

async function put(url, file) {
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await fetch(url, { method: "PUT", body: file });
      if (answer.ok) return;
      const problem = await answer.json().catch(() => ({ detail: answer.statusText }));
      throw Object.assign(new Error(problem.detail), { final: answer.status < 500 });
    } catch (error) {
      if (error.final || attempt === ATTEMPTS) throw error;
      await new Promise((done) => setTimeout(done, 1000 * attempt));
    }
  }
}

async function begin() {
  const answer = await fetch("/api/v1/uploads", { method: "POST" });
  const { id } = await answer.json();
  const address = new URL(location);
  address.searchParams.set("upload", id);
  history.replaceState(history.state, "", address);
  return id;
}

function nameOf(paths) {
  if (paths[0].includes("/")) return paths[0].split("/")[0];
  return paths.length === 1 && paths[0].toLowerCase().endsWith(".zip") ? paths[0] : "Uploaded files";
}

export default {
  template: `
    <div class="vf-drop" @dragover.prevent="over = true" @dragleave="over = false" @drop.prevent="drop"
         :data-over="over">
      <p role="status">{{ message }}</p>
      <label class="vf-choose">Choose a folder
        <input type="file" webkitdirectory multiple @change="choose" :disabled="busy">
      </label>
      <label class="vf-choose">Choose files or a zip
        <input type="file" multiple @change="choose" :disabled="busy">
      </label>
      <template v-if="resumed && !busy">
        <button class="vf-choose" @click="finish(there)">Import what is here</button>
        <a class="vf-choose" href="/datasets/new">Start anew</a>
      </template>
    </div>`,
  props: { upload: String },
  data: () => ({ over: false, busy: false, message: HINT, id: null, held: {}, resumed: false }),
  computed: {
    there() { return Object.keys(this.held); },
  },
  async mounted() {
    if (!this.upload) return;
    this.id = this.upload;
    const answer = await fetch(`/api/v1/uploads/${this.id}`);
    if (answer.ok) this.held = (await answer.json()).files;
    if (this.there.length) {
      const count = this.there.length === 1 ? "1 file is" : `${this.there.length.toLocaleString("en")} files are`;
      this.resumed = true;
      this.message = `${count} here already. Choose the same again, and only the rest is sent.`;
    }
  },
  methods: {
    async drop(event) {
      this.over = false;
      const found = [];
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
      for (const entry of entries) await walk(entry, "", found);
      await this.send(found);
    },
    async choose(event) {
      const files = [...event.target.files];
      event.target.value = "";
      await this.send(files.map((file) => [file.webkitRelativePath || file.name, file]));
    },
    async send(found) {
      if (!found.length || this.busy) return;
      this.busy = true;
      try {
        this.id = this.id || (await begin());
        const left = found.filter(([path, file]) => this.held[path] !== file.size);
        let next = 0;
        let done = found.length - left.length;
        let failure = null;
        const work = async () => {
          while (next < left.length && !failure) {
            const [path, file] = left[next++];
            const name = path.split("/").map(encodeURIComponent).join("/");
            try {
              await put(`/api/v1/uploads/${this.id}/files/${name}`, file);
            } catch (error) {
              failure = error;
              return;
            }
            this.held[path] = file.size;
            this.message = `${(++done).toLocaleString("en")} of ${found.length.toLocaleString("en")} files sent`;
          }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, work));
        if (failure) throw failure;
        this.finish(found.map(([path]) => path));
      } catch (error) {
        this.message = `It could not be sent: ${error.message} Choose the same again to send the rest.`;
        this.resumed = this.there.length > 0;
        this.busy = false;
      }
    },
    finish(paths) {
      this.busy = true;
      this.$emit("sent", { id: this.id, name: nameOf(paths) });
    },
  },
};
