// A confusion matrix as a table; each cell with a count is a link to its images.
export default {
  props: { labels: Array, predicted: Array, counts: Array, address: String, chosen: Array },
  template: `
    <div class="vf-scroll">
      <table class="vf-confusion">
        <thead>
          <tr><td></td><th :colspan="predicted.length" scope="colgroup" class="vf-axis">the model says</th></tr>
          <tr><td class="vf-axis">it really is</td>
            <th v-for="name in predicted" scope="col" :class="{ 'vf-upright': upright }"><span>{{ name }}</span></th></tr>
        </thead>
        <tbody>
          <tr v-for="(label, i) in labels">
            <th scope="row">{{ label }}</th>
            <td v-for="(name, j) in predicted" :style="style(i, j)" :class="{ 'vf-chosen': isChosen(label, name) }">
              <a v-if="counts[i][j]" :href="link(label, name)" :aria-label="say(i, j)" :title="say(i, j)">{{
                counts[i][j].toLocaleString("en") }}</a>
              <span v-else class="vf-soft" aria-hidden="true">·</span>
            </td>
          </tr>
        </tbody>
      </table>
    </div>`,
  computed: {
    sums() {
      return this.counts.map((row) => row.reduce((a, b) => a + b, 0));
    },
    upright() {
      return this.predicted.length > 7 || this.predicted.some((name) => name.length > 14);
    },
  },
  methods: {
    link(truth, predicted) {
      const join = this.address.includes("?") ? "&" : "?";
      return `${this.address}${join}${new URLSearchParams({ truth, predicted })}#images`;
    },
    say(i, j) {
      return `${this.counts[i][j]} of ${this.labels[i]} taken for ${this.predicted[j]}`;
    },
    isChosen(label, name) {
      return this.chosen[0] === label && this.chosen[1] === name;
    },
    style(i, j) {
      const share = this.counts[i][j] / Math.max(this.sums[i], 1);
      const right = this.labels[i] === this.predicted[j];
      // Rare mistakes matter more than their share: its root makes them visible. At 70 % every number stays readable.
      const heat = Math.round(70 * (right ? share : Math.sqrt(share)));
      return `background: color-mix(in srgb, var(--vf-${right ? "on" : "bad"}) ${heat}%, transparent);`;
    },
  },
};
