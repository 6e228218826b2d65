// Takes one weight file and PUTs its raw body, with progress; tells what the server answered.
export default {
  template: `
    <div class="vf-drop" @dragover.prevent="over = true" @dragleave="over = false" @drop.prevent="drop"
         :data-over="over">
      <p role="status">{{ message }}</p>
      <label class="vf-choose">Choose a weight file
        <input type="file" @change="choose" :disabled="busy">
      </label>
      <p v-if="wrong" class="vf-wrong" role="alert">{{ wrong }}</p>
    </div>`,
  data: () => ({ over: false, busy: false, wrong: "", message: "Drop a weight file here" }),
  methods: {
    drop(event) {
      this.over = false;
      this.send(event.dataTransfer.files[0]);
    },
    choose(event) {
      this.send(event.target.files[0]);
      event.target.value = "";
    },
    send(file) {
      if (!file || this.busy) return;
      this.busy = true;
      this.wrong = "";
      const request = new XMLHttpRequest();
      request.upload.onprogress = (event) => {
        const share = Math.round((100 * event.loaded) / event.total);
        this.message = share < 100 ? `${file.name}: ${share} % sent` : `${file.name}: checking its hash`;
      };
      request.onerror = () => this.end("The connection was lost.");
      request.onload = () => {
        if (request.status === 200) {
          this.$emit("added");
          return this.end("");
        }
        let said = request.statusText;
        try { said = JSON.parse(request.responseText).detail; } catch { /* no words came with it */ }
        this.end(said);
      };
      request.open("PUT", `/files/weights/${encodeURIComponent(file.name)}`);
      request.send(file);
    },
    end(wrong) {
      this.busy = false;
      this.wrong = wrong;
      this.message = "Drop a weight file here";
    },
  },
};
