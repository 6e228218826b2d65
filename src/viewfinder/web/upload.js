// Takes dropped or chosen files and folders, and PUTs each file's raw body under its relative path, a few at a time.
const AT_ONCE = 4;
const ATTEMPTS = 3;

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

export default {
  template: `
    <div class="vf-drop" @dragover.prevent="over = true" @dragleave="over = false" @drop.prevent="drop"
         :data-over="over">
      <p>{{ message }}</p>
      <label class="vf-choose">Choose a folder
        <input type="file" webkitdirectory multiple @change="choose" :disabled="busy">
      </label>
      <label class="vf-choose">Choose files
        <input type="file" multiple @change="choose" :disabled="busy">
      </label>
    </div>`,
  data: () => ({ over: false, busy: false, message: "Drop a folder or files here" }),
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
      await this.send(files.map((file) => [file.webkitRelativePath || file.name, file]));
    },
    async send(found) {
      if (!found.length || this.busy) return;
      this.busy = true;
      try {
        const answer = await fetch("/api/v1/uploads", { method: "POST" });
        const { id } = await answer.json();
        let next = 0, done = 0;
        const work = async () => {
          while (next < found.length) {
            const [path, file] = found[next++];
            const name = path.split("/").map(encodeURIComponent).join("/");
            await put(`/api/v1/uploads/${id}/files/${name}`, file);
            this.message = `${++done} of ${found.length} files sent`;
          }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, work));
        const name = found[0][0].includes("/") ? found[0][0].split("/")[0] : "Uploaded files";
        this.$emit("sent", { id, name });
      } catch (error) {
        this.message = `It could not be sent: ${error.message}`;
        this.busy = false;
      }
    },
  },
};
