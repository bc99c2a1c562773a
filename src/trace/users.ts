/** Who a container runs as, found as the engine finds it (moby/sys/user, `GetExecUser`). */

export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  readonly home: string;
}

/**
 * @param spec the image's `User`: `name`, `uid`, `name:group`, `uid:gid` or empty for root
 * @param passwd the container's /etc/passwd, empty where it has none
 * @param group its /etc/group
 * @returns `undefined` for a name that is in neither file: the engine refuses to start such a container
 */
export function resolveUser(spec: string, passwd: string, group: string): ContainerUser | undefined {
  const [userPart = '', groupPart = ''] = spec.split(':');
  const name = userPart === '' ? '0' : userPart;
  const account = table(passwd).find(([login, , uid]) => login === name || uid === name);
  const uid = account ? Number(account[2]) : numeric(name);
  if (uid === undefined) return undefined;
  const groups = table(group);
  if (groupPart === '') {
    const own = account?.[0];
    return {
      uid,
      gid: account ? Number(account[3]) : 0,
      groups: groups
        .filter(([, , , members = '']) => own !== undefined && members.split(',').includes(own))
        .map(([, , gid]) => Number(gid)),
      home: account?.[5] ?? '/',
    };
  }
  const chosen = groups.find(([label, , gid]) => label === groupPart || gid === groupPart);
  const gid = chosen ? Number(chosen[2]) : numeric(groupPart);
  return gid === undefined ? undefined : { uid, gid, groups: [], home: account?.[5] ?? '/' };
}

function table(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));
}

function numeric(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
